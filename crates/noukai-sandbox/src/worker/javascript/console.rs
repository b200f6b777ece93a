//! `console` and nothing behind it: text goes to the call's printed text.

use std::cell::RefCell;
use std::rc::Rc;

use rquickjs::function::Rest;
use rquickjs::{Coerced, Ctx, Function, Object, Value};

use super::super::printed::Sink;

/// Puts `console` with its usual functions into the globals.
pub fn install<'js>(ctx: &Ctx<'js>, printed: &Rc<RefCell<Sink>>) -> rquickjs::Result<()> {
    let printed = Rc::clone(printed);
    let print =
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, values: Rest<Value<'js>>| print(&ctx, &values.0, &printed))?;
    let console = Object::new(ctx.clone())?;
    for name in ["log", "info", "warn", "error", "debug"] {
        console.set(name, print.clone())?;
    }
    ctx.globals().set("console", console)
}

fn print<'js>(ctx: &Ctx<'js>, values: &[Value<'js>], printed: &Rc<RefCell<Sink>>) -> rquickjs::Result<()> {
    let mut line = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            line.push(' ');
        }
        line.push_str(&spell(ctx, value)?);
    }
    line.push('\n');
    printed.borrow_mut().write(&line);
    Ok(())
}

/// Text as it is, data as JSON, anything else as the language spells it.
fn spell<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> rquickjs::Result<String> {
    if value.is_object()
        && !value.is_function()
        && !value.is_error()
        && let Some(json) = ctx.json_stringify(value.clone())?
    {
        return json.to_string();
    }
    Ok(value.get::<Coerced<String>>()?.0)
}

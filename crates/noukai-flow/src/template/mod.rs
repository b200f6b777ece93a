//! Templates: compiled once, rendered many times, by any thread. Owns the bounds on what rendering may cost.
//!
//! A template is what a flow's author wrote. What a run brings in is data: it is printed, never compiled.

mod braces;
mod dialect;
mod error;
mod filters;
mod plain;
mod print;
mod segments;
mod value;

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use minijinja::{Environment, Error, UndefinedBehavior};

pub use self::error::TemplateError;
use self::{plain::Plain, segments::Segment};
use crate::Scope;

/// Steps of the engine that one rendering may take.
const FUEL: u64 = 200_000;
/// Bytes of a rendered text, and of any text a filter makes on the way.
const MAX_OUTPUT: usize = 10_000_000;
/// The name under which each environment holds its one template.
const NAME: &str = "template";

/// A compiled template. Cloning is cheap.
#[derive(Clone)]
pub struct Template(Arc<Compiled>);

struct Compiled {
    source: String,
    environment: Environment<'static>,
    /// Most templates need no engine.
    plain: Option<Plain>,
}

impl Template {
    /// Compiles a template: `{{ path|filter }}`, `if`, `for`, `raw`, comments, and `{name}` for a name in scope.
    ///
    /// # Errors
    /// A fault of syntax, or a part of the engine's language that templates do not have, with its line.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        dialect::check(source)?;
        let mut environment = ENVIRONMENT.clone();
        let expanded = braces::expand(source);
        let plain = Plain::of(&expanded);
        let added = environment.add_template_owned(NAME, expanded);
        added.map_err(|error| TemplateError::syntax(&error))?;
        Ok(Self(Arc::new(Compiled { source: source.to_owned(), environment, plain })))
    }

    /// The text for what is in `scope`.
    ///
    /// # Errors
    /// A name that is not in scope (the message lists those that are), an operation that does not fit its values, or a
    /// bound: steps, bytes read, bytes written.
    pub fn render(&self, scope: &Scope) -> Result<String, TemplateError> {
        match self.render_plain(scope) {
            Some(text) => Ok(text),
            None => self.render_with(scope).map_err(|error| TemplateError::render(&error, scope)),
        }
    }

    /// The template as it was written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The names that rendering cannot do without, sorted.
    pub(crate) fn required_names(&self) -> Vec<String> {
        let codes = segments::segments(self.source()).filter(|segment| matches!(segment, Segment::Code(_)));
        let code: String = codes.map(Segment::source).collect();
        let optional = dialect::optional_names(self.source());
        let undeclared =
            self.0.environment.template_from_str(&code).map(|template| template.undeclared_variables(false));
        let mut names: Vec<String> = undeclared.unwrap_or_default().into_iter().collect();
        names.retain(|name| name != "range" && !optional.contains(&name.as_str()));
        names.sort_unstable();
        names
    }

    /// Without the engine, where that is possible.
    fn render_plain(&self, scope: &Scope) -> Option<String> {
        self.0.plain.as_ref()?.render(scope)
    }

    fn render_with(&self, scope: &Scope) -> Result<String, Error> {
        let mut out = print::Bounded::default();
        let template = self.0.environment.get_template(NAME)?;
        template.render_captured_to(minijinja::Value::from_object(value::Root::new(scope)), &mut out)?;
        Ok(out.0)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.0.source).finish()
    }
}

/// The environment without a template: strict, bounded, with nothing it could load.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(64);
    // With it, the engine says which expression is undefined.
    environment.set_debug(true);
    environment.set_formatter(|out, _, value| Ok(print::print(out, value)?));
    filters::install(&mut environment);
    environment
});

#[cfg(test)]
mod tests;

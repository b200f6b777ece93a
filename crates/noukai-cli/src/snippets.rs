//! A call of a flow in the three ways a user pastes it: curl, Python, Node.

use serde_json::Value;

use crate::sample::Inputs;

/// One flow on one server.
pub struct Call<'a> {
    /// `http://host:port`.
    pub url: &'a str,
    /// `org/project/flow`.
    pub address: &'a str,
    /// The API key.
    pub key: &'a str,
    /// What is sent.
    pub inputs: &'a Inputs,
}

impl Call<'_> {
    /// For a shell.
    pub fn curl(&self) -> Vec<String> {
        vec![
            format!("curl -s {}/api/v1/seq/{}/execute \\", self.url, self.address),
            format!("  -H 'Authorization: Bearer {}' \\", self.key),
            "  -H 'Content-Type: application/json' \\".to_owned(),
            format!("  -d {}", shell_quoted(&self.inputs.body().to_string())),
        ]
    }

    /// For `noukai-sdk`, which reads the key from the environment.
    pub fn python(&self) -> Vec<String> {
        let message = self.inputs.message.as_ref().map(|message| format!("message={}", Value::from(message.as_str())));
        let parameters = (!self.inputs.parameters.is_empty())
            .then(|| format!("parameters={}", python_literal(&Value::Object(self.inputs.parameters.clone()))));
        let arguments: Vec<String> = message.into_iter().chain(parameters).collect();
        vec![
            "from noukai_sdk import Noukai".to_owned(),
            "with Noukai() as client:".to_owned(),
            format!("    run = client.flow(\"{}\").execute({})", self.address, arguments.join(", ")),
            "    print(run.result)".to_owned(),
        ]
    }

    /// For `@noukai/sdk`, which reads the key from the environment. In an ES module.
    pub fn node(&self) -> Vec<String> {
        vec![
            "import { Noukai } from \"@noukai/sdk\";".to_owned(),
            "const noukai = new Noukai();".to_owned(),
            format!("const run = await noukai.flow(\"{}\").execute({});", self.address, self.inputs.body()),
            "console.log(run.result);".to_owned(),
        ]
    }
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn python_literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(python_literal).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let field =
                |(name, value): (&String, &Value)| format!("{}: {}", Value::from(name.as_str()), python_literal(value));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_spelled_in_each_language() {
        let parameters = json!({"yes": true, "none": null, "list": [1, "it's"]});
        let inputs = Inputs { message: None, parameters: parameters.as_object().cloned().unwrap() };
        let call = Call { url: "http://h:1", address: "o/p/f", key: "nk_k", inputs: &inputs };
        let sent = r#"{"parameters":{"yes":true,"none":null,"list":[1,"it's"]}}"#;
        assert_eq!(call.curl()[3], format!("  -d '{}'", sent.replace('\'', r"'\''")));
        let python =
            r#"    run = client.flow("o/p/f").execute(parameters={"yes": True, "none": None, "list": [1, "it's"]})"#;
        assert_eq!(call.python()[2], python);
        assert_eq!(call.node()[2], format!("const run = await noukai.flow(\"o/p/f\").execute({sent});"));
    }
}

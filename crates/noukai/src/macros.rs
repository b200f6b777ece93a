//! The options that builders share, written once: as methods over a field `options`.

/// The hidden lines around an example that calls the flow `$flow` with `$call`, `$option`s and `$end`.
macro_rules! example {
    (asynchronous, "weather", $call:literal, $option:literal, $end:literal) => {
        crate::macros::example!(asynchronous @ "weather", $call, $option,
            ".tool_handler(async |calls: Vec<noukai::ToolCall>| {\n    calls.iter().map(|call| call.answer(\"-3 °C\")).collect::<Vec<_>>()\n})", $end)
    };
    (blocking, "weather", $call:literal, $option:literal, $end:literal) => {
        crate::macros::example!(blocking @ "weather", $call, $option,
            ".tool_handler(|calls: Vec<noukai::ToolCall>| {\n    calls.iter().map(|call| call.answer(\"-3 °C\")).collect::<Vec<_>>()\n})", $end)
    };
    (asynchronous, $flow:literal, $call:literal, $option:literal, $end:literal) => {
        crate::macros::example!(asynchronous @ $flow, $call, $option, "", $end)
    };
    (blocking, $flow:literal, $call:literal, $option:literal, $end:literal) => {
        crate::macros::example!(blocking @ $flow, $call, $option, "", $end)
    };
    (asynchronous @ $flow:literal, $call:literal, $option:literal, $handler:literal, $end:literal) => {
        crate::macros::example!(
            "```\n# noukai_mock::example(async |url, key| {\n",
            "# let client = noukai::Noukai::builder().base_url(url).api_key(key).build()?;\n",
            $flow,
            $call,
            $option,
            $handler,
            $end
        )
    };
    (blocking @ $flow:literal, $call:literal, $option:literal, $handler:literal, $end:literal) => {
        crate::macros::example!(
            "```\n# noukai_mock::blocking_example(|url, key| {\n",
            "# let client = noukai::Noukai::builder().base_url(url).api_key(key).build_blocking()?;\n",
            $flow,
            $call,
            $option,
            $handler,
            $end
        )
    };
    ($open:literal, $client:literal, $flow:literal, $call:literal, $option:literal, $handler:literal, $end:literal) => {
        concat!(
            $open,
            $client,
            "let call = client.flow(\"acme/demo/",
            $flow,
            "\")?.",
            $call,
            $option,
            $handler,
            ";\n",
            "call",
            $end,
            ";\n# Ok(())\n# });\n```"
        )
    };
}

/// Options that every call of a flow takes.
macro_rules! call_options {
    ($mode:ident, $call:literal, $end:literal) => {
        /// The message: shorthand for `parameters.message`. May be left out where `parameters` holds all required
        /// inputs. The empty text is a message.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"I am Ada\")", $end)]
        pub fn message(mut self, message: impl Into<String>) -> Self {
            self.options.message = Some(message.into());
            self
        }

        /// The conversation so far, the last entry the current turn of the user; not together with `message`. Roles are
        /// `user`, `assistant` and `tool`. Takes [`Message`](crate::Message)s, or anything that serialises like one.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".messages([noukai::Message::user(\"I am Ada\")])", $end)]
        pub fn messages<M: serde::Serialize>(mut self, messages: impl IntoIterator<Item = M>) -> Self {
            self.options.set_messages(messages);
            self
        }

        /// The flow's named inputs: a map, or a struct of one's own.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".parameters([(\"message\", \"hi\")].map(|(k, v)| (k.to_owned(), v)).into_iter().collect::<std::collections::HashMap<_, _>>())", $end)]
        pub fn parameters(mut self, parameters: impl serde::Serialize) -> Self {
            self.options.set_parameters(parameters);
            self
        }

        /// Changes to blocks for this run only: `{step_id: {field: value}}`.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"hi\").block_overrides(serde_json::json!({\"greet\": {\"prompt\": \"{{ initial.message }}!\"}}))", $end)]
        pub fn block_overrides(mut self, overrides: impl serde::Serialize) -> Self {
            self.options.set_block_overrides(overrides);
            self
        }

        /// Images for the model: at most 10, each with an `https` URL.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"hi\").attachments([noukai::Attachment::new(\"https://example.com/a.png\", \"image/png\")])", $end)]
        pub fn attachments(mut self, attachments: impl IntoIterator<Item = crate::Attachment>) -> Self {
            self.options.attachments = attachments.into_iter().collect();
            self
        }

        /// Whether the run's trace keeps the whole input and output of each step, whatever the flow's capture mode.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"hi\").trace(true)", $end)]
        pub fn trace(mut self, on: bool) -> Self {
            self.options.trace = on;
            self
        }

        /// Which version runs: a [`Version`](crate::Version), `"draft"` (the default), `"production"`, `"3"` or `3`.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"hi\").version(\"production\")", $end)]
        pub fn version(mut self, version: impl crate::IntoVersion) -> Self {
            self.options.set_version(version);
            self
        }

        /// The client's timeout, for this call another.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"hi\").timeout(std::time::Duration::from_secs(5))", $end)]
        pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
            self.options.timeout = Some(timeout);
            self
        }

        /// A token that ends the call. (Dropping what it gave ends it too.) The run on the server goes on.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"hi\").cancel(&noukai::CancelToken::new())", $end)]
        pub fn cancel(mut self, token: &crate::CancelToken) -> Self {
            self.options.cancel = Some(token.clone());
            self
        }

        /// The session the run belongs to, in place of the client's.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"hi\").session_id(\"nightly-7\")", $end)]
        pub fn session_id(mut self, id: impl Into<String>) -> Self {
            self.options.session_id = Some(id.into());
            self
        }

        /// Makes the call one and the same wherever it is repeated: the server runs it once within 24 hours. A fresh key
        /// per call otherwise, so that a retry runs nothing twice.
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"hi\").idempotency_key(\"order-1001\")", $end)]
        pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
            self.options.idempotency_key = Some(key.into());
            self
        }
    };
}

/// Options of calls that may pause for tools.
macro_rules! tool_options {
    ($mode:ident, $call:literal, $end:literal) => {
        /// Tools the caller executes, at most 64: [`Tool`](crate::Tool)s, or JSON in OpenAI's format.
        ///
        #[doc = crate::macros::example!($mode, "weather", $call, ".message(\"Oslo\").tools([noukai::Tool::new(\"get_weather\")])", $end)]
        pub fn tools<T: serde::Serialize>(mut self, tools: impl IntoIterator<Item = T>) -> Self {
            self.options.set_tools(tools);
            self
        }

        /// How the model may use the tools.
        ///
        #[doc = crate::macros::example!($mode, "weather", $call, ".message(\"Oslo\").tools([noukai::Tool::new(\"get_weather\")]).tool_choice(noukai::ToolChoice::Auto)", $end)]
        pub fn tool_choice(mut self, choice: crate::ToolChoice) -> Self {
            self.options.tool_choice = Some(choice);
            self
        }

        /// How many pauses the handler answers (10). One more is
        /// [`ErrorKind::ToolCallLimit`](crate::ErrorKind::ToolCallLimit).
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"hi\").max_tool_rounds(3)", $end)]
        pub fn max_tool_rounds(mut self, rounds: u32) -> Self {
            self.options.max_tool_rounds = rounds;
            self
        }
    };
}

/// The one option that differs: who answers is asynchronous where the call is.
macro_rules! handler_option {
    (asynchronous, $call:literal, $end:literal) => {
        /// Answers the model's calls: gets them, gives one [`ToolResult`](crate::ToolResult) for each (or an error, which
        /// ends the call). The client then goes on by itself; no pause is seen.
        ///
        #[doc = crate::macros::example!(asynchronous, "weather", $call, ".message(\"Oslo\").tools([noukai::Tool::new(\"get_weather\")])", $end)]
        pub fn tool_handler<F, Fut>(mut self, handler: F) -> Self
        where
            F: FnMut(Vec<crate::ToolCall>) -> Fut + Send + 'static,
            Fut: Future<Output: crate::IntoToolResults> + Send + 'static,
        {
            self.options.handler = Some(crate::tools::Handler::new(handler));
            self
        }
    };
    (blocking, $call:literal, $end:literal) => {
        /// Answers the model's calls: gets them, gives one [`ToolResult`](crate::ToolResult) for each (or an error, which
        /// ends the call). The client then goes on by itself; no pause is seen.
        ///
        #[doc = crate::macros::example!(blocking, "weather", $call, ".message(\"Oslo\").tools([noukai::Tool::new(\"get_weather\")])", $end)]
        pub fn tool_handler<F, R>(mut self, mut handler: F) -> Self
        where
            F: FnMut(Vec<crate::ToolCall>) -> R + Send + 'static,
            R: crate::IntoToolResults + Send + 'static,
        {
            self.options.handler = Some(crate::tools::Handler::new(move |calls| std::future::ready(handler(calls))));
            self
        }
    };
}

/// Options of streams.
macro_rules! stream_options {
    ($mode:ident, $call:literal, $end:literal) => {
        /// Outputs that stand in place of finished steps' own: `{step_id: output}`.
        ///
        #[doc = crate::macros::example!($mode, "two-steps", $call, ".message(\"hi\").input_overrides(serde_json::json!({\"first\": \"another text\"}))", $end)]
        pub fn input_overrides(mut self, overrides: impl serde::Serialize) -> Self {
            self.options.set_input_overrides(overrides);
            self
        }
    };
}

/// Options of streams that give everything.
macro_rules! event_options {
    ($mode:ident, $call:literal, $end:literal) => {
        /// Whether the run goes to its end in one stream, without a pause after each step (off).
        ///
        #[doc = crate::macros::example!($mode, "two-steps", $call, ".message(\"hi\").run_remaining(true)", $end)]
        pub fn run_remaining(mut self, on: bool) -> Self {
            self.options.run_remaining = on;
            self
        }

        /// Whether the model's text is given as it comes, as `StreamEvent::StepDelta` (off).
        ///
        #[doc = crate::macros::example!($mode, "hello", $call, ".message(\"hi\").deltas(true)", $end)]
        pub fn deltas(mut self, on: bool) -> Self {
            self.options.deltas = on;
            self
        }
    };
}

pub(crate) use {call_options, event_options, example, handler_option, stream_options, tool_options};

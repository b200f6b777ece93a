//! The flows of the harness, as it must know them to judge: what to send, what comes out, what runs before what.

use serde_json::{Value, json};

/// One of the flows in `chaos/flows`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Three blocks in a row.
    Chain,
    /// As [`Shape::Chain`], with retries after a moment and little patience.
    Frail,
    /// Two blocks at once, then one.
    Fan,
    /// Two blocks for each of so many items, then one.
    Each(u32),
    /// The second of three blocks asks for a tool, twice.
    Tools,
}

/// Tool results that the block of [`Shape::Tools`] asks for.
pub const ROUNDS: usize = 2;

impl Shape {
    /// The flow's address in its project.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Frail => "frail",
            Self::Fan => "fan",
            Self::Each(_) => "each",
            Self::Tools => "tools",
        }
    }

    /// The request of a run that goes by `marker`.
    pub fn request(self, marker: &str) -> Value {
        match self {
            Self::Each(count) => {
                let items: Vec<String> = (0..count).map(|index| format!("i{index}")).collect();
                json!({"message": marker, "parameters": {"items": items}})
            }
            Self::Tools => json!({"message": marker, "tools": [{"type": "function", "function": {"name": "look",
                "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}}]}),
            _ => json!({"message": marker}),
        }
    }

    /// What a run that completes gives.
    pub fn result(self, marker: &str) -> Value {
        let text = match self {
            Self::Chain | Self::Frail => format!("c(b(a({marker})))"),
            Self::Fan => format!("join(p({marker})+q({marker}))"),
            Self::Each(count) => {
                let parts: String = (0..count).map(|index| format!("two(one(i{index}));")).collect();
                format!("sum({parts})")
            }
            Self::Tools => {
                let seen: Vec<String> = (0..ROUNDS).map(|round| seen(&call_id(marker, round))).collect();
                format!("after(ask(before({marker})+{}))", seen.join("+"))
            }
        };
        json!({"message": text})
    }

    /// Every call of the model that a run makes, as step and item.
    pub fn calls(self) -> Vec<(&'static str, String)> {
        let plain = |steps: &[&'static str]| steps.iter().map(|step| (*step, String::new())).collect::<Vec<_>>();
        match self {
            Self::Chain | Self::Frail => plain(&["a", "b", "c"]),
            Self::Fan => plain(&["p", "q", "join"]),
            Self::Each(count) => {
                let of_item = |index: u32| ["one", "two"].map(|step| (step, index.to_string()));
                (0..count).flat_map(of_item).chain([("sum", String::new())]).collect()
            }
            Self::Tools => {
                let rounds = (0..=ROUNDS).map(|round| ("ask", format!("round {round}")));
                plain(&["before"]).into_iter().chain(rounds).chain(plain(&["after"])).collect()
            }
        }
    }

    /// Whether the first of two calls is of a step whose result must be stored before the second is made.
    pub fn precedes(self, (first, first_item): (&str, &str), (second, second_item): (&str, &str)) -> bool {
        match self {
            Self::Chain | Self::Frail => first < second,
            Self::Fan => first != "join" && second == "join",
            Self::Each(_) => match (first, second) {
                ("one", "two") => first_item == second_item,
                ("one" | "two", "sum") => true,
                _ => false,
            },
            // Each round ends in a pause, which is stored.
            Self::Tools => match (first, second) {
                ("before", "ask" | "after") | ("ask", "after") => true,
                ("ask", "ask") => first_item < second_item,
                _ => false,
            },
        }
    }
}

/// The id of the tool call that the model makes in a round.
pub fn call_id(marker: &str, round: usize) -> String {
    format!("call-{marker}-{round}")
}

/// What a caller answers to a tool call.
pub fn seen(call_id: &str) -> String {
    format!("seen {call_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_but_the_last_precedes_the_last() {
        for shape in [Shape::Chain, Shape::Frail, Shape::Fan, Shape::Each(3), Shape::Tools] {
            let calls = shape.calls();
            let (last, others) = calls.split_last().expect("some");
            for other in others {
                let (first, second) = ((other.0, other.1.as_str()), (last.0, last.1.as_str()));
                assert!(shape.precedes(first, second), "{shape:?}: {other:?}");
                assert!(!shape.precedes(second, first), "{shape:?}: {other:?}");
            }
        }
    }
}

//! Ids of tool calls that no provider named. Nothing else.

/// `call_` and 128 random bits.
pub(crate) fn new_call_id() -> String {
    format!("call_{:032x}", rand::random::<u128>())
}

//! A worker gives its rights up before it reads a byte of a request.
//!
//! What the system does not have is told, not passed over: the first worker's report goes to the log and to whoever asks
//! the sandbox for it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod system_calls;

use crate::wire::Right;

/// Gives up every right that is not needed to answer requests; `warm_up` runs while files can still be read. `memory`
/// is what one call may hold, in bytes.
pub fn enter(memory: u64, warm_up: impl FnOnce()) -> Vec<Right> {
    let mut rights = vec![right(
        "memory beyond the limit (metered)",
        crate::meter::is_installed().then_some(()).ok_or("the program does not use the sandbox's allocator"),
    )];
    #[cfg(target_os = "linux")]
    linux::enter(&mut rights, memory, warm_up);
    #[cfg(not(target_os = "linux"))]
    {
        warm_up();
        let missing = format!("not known how on {}", std::env::consts::OS);
        rights.push(right("everything else", Err::<(), _>(missing)));
    }
    rights
}

/// How giving one right up went.
fn right<E: std::fmt::Display>(name: &str, given_up: Result<(), E>) -> Right {
    Right { name: name.to_owned(), missing: given_up.err().map(|error| error.to_string()) }
}

//! What Linux lets a process give up for good, from the mildest to the strictest.

use std::fs;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, RestrictionStatus, Ruleset, RulesetAttr as _, RulesetError, RulesetStatus,
    Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::{right, system_calls};
use crate::wire::Right;

/// Bytes of stack: parsers and printers of nested things take some.
const STACK: u64 = 64 << 20;

/// Bytes of data beyond what a call may hold twice: the program itself, caches, the request.
const ROOM: u64 = 256 << 20;

/// Seconds of processor time in a worker's whole life. Its pool replaces it long before.
const LIFE: u64 = 3_600;

/// The newest kernel interface whose restrictions are asked for; an older kernel gives those it has.
const LANDLOCK: ABI = ABI::V6;

/// Gives everything up and adds to `rights` how it went.
pub fn enter(rights: &mut Vec<Right>, memory: u64, warm_up: impl FnOnce()) {
    rights.push(right("new privileges", rustix::thread::set_no_new_privs(true)));
    rights.push(right("outliving the server", rustix::process::set_parent_process_death_signal(Some(Signal::KILL))));
    rights.push(right("the terminal", rustix::process::setsid().map(drop)));
    rights.push(right("inherited files", close_inherited()));
    warm_up();
    rights.push(right("being traced", rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)));
    rights.push(right("capabilities", drop_capabilities()));
    rights.push(right("files, network and signals to others (Landlock)", restrict()));
    rights.push(right("memory, files, processes, cores and time (limits)", limit(memory)));
    rights.push(right("system calls (seccomp)", system_calls::forbid()));
}

/// Closes what the server, or whoever started it, left open beyond the standard three.
#[expect(unsafe_code, reason = "closing a file by its number alone is unsafe: someone may own it")]
fn close_inherited() -> Result<(), String> {
    let open = fs::read_dir("/proc/self/fd").map_err(|error| error.to_string())?;
    let numbers: Vec<RawFd> = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for number in numbers.into_iter().filter(|number| *number > 2) {
        // The list itself was one of them, and is closed by now.
        if fs::read_link(format!("/proc/self/fd/{number}")).is_ok() {
            // SAFETY: nothing in this process has opened a file yet, so nobody owns this one.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
    Ok(())
}

fn drop_capabilities() -> rustix::io::Result<()> {
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

fn restrict() -> Result<(), String> {
    let status = restrict_all().map_err(|error| error.to_string())?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        RulesetStatus::PartiallyEnforced => Err(format!("this kernel has only a part of it: {:?}", status.landlock)),
        RulesetStatus::NotEnforced => Err("this kernel does not have it".to_owned()),
    }
}

fn restrict_all() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .restrict_self()
}

fn limit(memory: u64) -> Result<(), String> {
    let data = memory.saturating_mul(2).saturating_add(ROOM);
    let limits = [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
        (Resource::Nofile, 3),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
        (Resource::Stack, STACK),
        (Resource::Data, data),
        (Resource::Cpu, LIFE),
    ];
    for (resource, most) in limits {
        let most = rustix::process::getrlimit(resource).maximum.map_or(most, |maximum| most.min(maximum));
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| format!("{resource:?}: {error}"))?;
    }
    Ok(())
}

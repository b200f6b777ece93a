//! Counts a worker's memory, and ends the worker when a call takes too much.
//!
//! A program that is a server at one time and a worker at another uses [`Metered`] as its global allocator. As a server
//! it costs one look at a flag; as a worker it counts, and tells the Python interpreter, which then stops by itself.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use monty_types::{BASELINE_MEMORY, LIVE_MEMORY, OOM_EXIT_CODE};

/// An allocator that counts what `A` gives out, once told to.
#[derive(Debug, Default)]
pub struct Metered<A>(A);

static COUNTING: AtomicBool = AtomicBool::new(false);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Where counting starts: more than was given out before, so that giving that back never counts below zero.
const START: usize = 1 << 40;

/// What an interpreter may take beyond a call's limit until it notices.
const ROOM: usize = 16 << 20;

impl<A> Metered<A> {
    /// Counts nothing until this process becomes a worker.
    pub const fn new(inner: A) -> Self {
        Self(inner)
    }
}

/// Begins to count. Only for a process with a single thread.
pub fn start() {
    LIVE_MEMORY.store(START, Relaxed);
    COUNTING.store(true, Relaxed);
}

/// Whether counting is under way: the program has [`Metered`] as its allocator.
pub fn is_installed() -> bool {
    let before = LIVE_MEMORY.load(Relaxed);
    let probe = std::hint::black_box(Box::new([0_u8; 64]));
    let counted = LIVE_MEMORY.load(Relaxed) != before;
    drop(probe);
    counted
}

/// A call begins that may hold so many bytes.
pub fn begin_call(bytes: u64) {
    let live = LIVE_MEMORY.load(Relaxed);
    BASELINE_MEMORY.store(live, Relaxed);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    LIMIT.store(live.saturating_add(bytes).saturating_add(ROOM), Relaxed);
}

/// The call is over.
pub fn end_call() {
    LIMIT.store(usize::MAX, Relaxed);
}

// Plain loads and stores instead of atomic additions: a worker has one thread.
fn charge(bytes: usize) {
    let live = LIVE_MEMORY.load(Relaxed).wrapping_add(bytes);
    LIVE_MEMORY.store(live, Relaxed);
    if live > LIMIT.load(Relaxed) {
        exhausted();
    }
}

fn refund(bytes: usize) {
    LIVE_MEMORY.store(LIVE_MEMORY.load(Relaxed).wrapping_sub(bytes), Relaxed);
}

/// Ends the process in a way that its pool understands. Never by a panic, which would allocate, and without what is
/// registered for a process' end, which might wait for the allocator.
#[cold]
#[expect(unsafe_code, reason = "ending a process at once is unsafe by declaration only")]
fn exhausted() -> ! {
    // SAFETY: no memory is touched; the process ends.
    unsafe { libc::_exit(OOM_EXIT_CODE) }
}

fn given(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() && COUNTING.load(Relaxed) {
        exhausted();
    }
    pointer
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature; this one only counts and passes everything on")]
// SAFETY: every method passes its arguments on to the inner allocator unchanged and returns what that returned, or does
// not return.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Metered<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTING.load(Relaxed) {
            charge(layout.size());
        }
        // SAFETY: as the caller vouches.
        given(unsafe { self.0.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if COUNTING.load(Relaxed) {
            charge(layout.size());
        }
        // SAFETY: as the caller vouches.
        given(unsafe { self.0.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if COUNTING.load(Relaxed) {
            refund(layout.size());
        }
        // SAFETY: as the caller vouches.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if COUNTING.load(Relaxed) {
            refund(layout.size());
            charge(size);
        }
        // SAFETY: as the caller vouches.
        given(unsafe { self.0.realloc(pointer, layout, size) })
    }
}

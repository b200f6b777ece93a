//! The engine's memory: from the program's own allocator, up to a call's limit, and it is known when that was met.

use std::cell::Cell;
use std::rc::Rc;

use rquickjs::allocator::{Allocator, RustAllocator};

/// Gives memory until so many bytes are out.
pub struct Limited {
    left: usize,
    met: Rc<Cell<bool>>,
}

impl Limited {
    /// An allocator for one engine; `met` becomes true when it refuses.
    pub fn new(bytes: u64, met: &Rc<Cell<bool>>) -> Self {
        Self { left: usize::try_from(bytes).unwrap_or(usize::MAX), met: Rc::clone(met) }
    }

    fn has(&self, bytes: usize) -> bool {
        // What does not fit into half of everything does not fit; sums below cannot overflow.
        let has = bytes < usize::MAX / 2 && bytes <= self.left;
        if !has {
            self.met.set(true);
        }
        has
    }

    #[expect(unsafe_code, reason = "asking for a block's size is unsafe: it must be one of this allocator's")]
    fn took(&mut self, pointer: *mut u8) -> *mut u8 {
        if !pointer.is_null() {
            // SAFETY: the pointer has just come from this allocator.
            self.left = self.left.saturating_sub(unsafe { RustAllocator::usable_size(pointer) });
        }
        pointer
    }
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature; this one only counts and passes everything on")]
// SAFETY: every block is the inner allocator's, and every size is what that one says.
unsafe impl Allocator for Limited {
    fn alloc(&mut self, size: usize) -> *mut u8 {
        if !self.has(size) {
            return std::ptr::null_mut();
        }
        let pointer = RustAllocator.alloc(size);
        self.took(pointer)
    }

    fn calloc(&mut self, count: usize, size: usize) -> *mut u8 {
        if !self.has(count.saturating_mul(size)) {
            return std::ptr::null_mut();
        }
        let pointer = RustAllocator.calloc(count, size);
        self.took(pointer)
    }

    unsafe fn dealloc(&mut self, pointer: *mut u8) {
        // SAFETY: as the caller vouches.
        unsafe {
            self.left += RustAllocator::usable_size(pointer);
            RustAllocator.dealloc(pointer);
        }
    }

    unsafe fn realloc(&mut self, pointer: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: as the caller vouches.
        let before = unsafe { RustAllocator::usable_size(pointer) };
        if !self.has(size.saturating_sub(before)) {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller vouches.
        let moved = unsafe { RustAllocator.realloc(pointer, size) };
        if !moved.is_null() {
            self.left += before;
        }
        self.took(moved)
    }

    unsafe fn usable_size(pointer: *mut u8) -> usize {
        // SAFETY: as the caller vouches.
        unsafe { RustAllocator::usable_size(pointer) }
    }
}

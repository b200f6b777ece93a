//! The allocator of our programs: mimalloc, asked in its quick way.
//!
//! Rust states an alignment with every allocation, and mimalloc's way for those who state one is the long way: unless
//! a block of the very size is at hand, or the size is a power of two of at most 4 KiB, it takes a larger block and looks
//! for a place in it. But its blocks are aligned already for what nearly everything needs. So whatever needs no more is
//! asked for without stating it.
//!
//! Knows nothing of what is allocated.

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys as mi;

/// To be a program's `#[global_allocator]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mimalloc;

/// Bytes. Blocks of at least so many are so aligned (`MI_MAX_ALIGN_SIZE`), and smaller ones to their own size.
const ALIGNED: usize = 16;

/// Whether a block is aligned without being asked to be.
const fn is_plain(layout: Layout) -> bool {
    layout.align() <= ALIGNED && layout.align() <= layout.size()
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature; this one chooses between functions of mimalloc")]
// SAFETY: each function of mimalloc gives a block that is large enough and so aligned as it was asked to be or, where
// `is_plain`, as all its blocks are; any of its blocks may be freed and made larger without saying how it was asked for.
unsafe impl GlobalAlloc for Mimalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: no demands on the caller but those of this trait.
        let block = unsafe {
            if is_plain(layout) {
                mi::mi_malloc(layout.size())
            } else {
                mi::mi_malloc_aligned(layout.size(), layout.align())
            }
        };
        block.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: no demands on the caller but those of this trait.
        let block = unsafe {
            if is_plain(layout) {
                mi::mi_zalloc(layout.size())
            } else {
                mi::mi_zalloc_aligned(layout.size(), layout.align())
            }
        };
        block.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller vouches that the block is one of ours.
        unsafe { mi::mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches that the block is one of ours.
        let block = unsafe {
            if is_plain(layout) && layout.align() <= size {
                mi::mi_realloc(block.cast(), size)
            } else {
                mi::mi_realloc_aligned(block.cast(), size, layout.align())
            }
        };
        block.cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything the tests do stands on it, too.
    #[global_allocator]
    static ALLOCATOR: Mimalloc = Mimalloc;

    const SIZES: [usize; 24] = [
        1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 40, 48, 56, 72, 100, 112, 500, 1_000, 1_024, 1_025, 2_050, 9_000, 70_000,
        3_000_000,
    ];

    /// As many at the same time as make a new page of blocks begin.
    const BLOCKS: usize = 40;

    #[test]
    #[expect(unsafe_code, reason = "calls what only the compiler calls otherwise")]
    fn blocks_are_aligned_and_keep_what_is_in_them() {
        for (size, align) in SIZES.into_iter().flat_map(|size| (0..13).map(move |power| (size, 1_usize << power))) {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the layout is not empty.
            let blocks = (0..BLOCKS).map(|_| unsafe { ALLOCATOR.alloc(layout) }).collect::<Vec<_>>();
            for (mark, &block) in (0_u8..).zip(&blocks) {
                assert!(is_aligned(block, align), "{size} bytes for {align}");
                // SAFETY: the block has as many bytes.
                unsafe { block.write_bytes(mark, size) };
            }
            for (mark, block) in (0_u8..).zip(blocks) {
                let larger = size * 3 / 2 + 1;
                // SAFETY: the block is of that layout, and from there on of the larger one.
                unsafe {
                    let block = ALLOCATOR.realloc(block, layout, larger);
                    assert!(is_aligned(block, align), "{larger} bytes for {align}");
                    assert!(
                        std::slice::from_raw_parts(block, size).iter().all(|byte| *byte == mark),
                        "{size} for {align}"
                    );
                    ALLOCATOR.dealloc(block, Layout::from_size_align(larger, align).unwrap());
                }
            }
        }
    }

    /// From a block that is aligned unasked to one that is not, and back.
    #[test]
    #[expect(unsafe_code, reason = "calls what only the compiler calls otherwise")]
    fn blocks_get_smaller_than_their_alignment() {
        for (align, sizes) in [(16, [24, 8, 40]), (8, [9, 1, 17]), (64, [70, 3, 200])] {
            let layouts = sizes.map(|size| Layout::from_size_align(size, align).unwrap());
            // SAFETY: each layout holds at least one byte, and the block is of the one before at each step.
            unsafe {
                let mut block = ALLOCATOR.alloc(layouts[0]);
                block.write(7);
                for (before, now) in [(layouts[0], layouts[1]), (layouts[1], layouts[2])] {
                    block = ALLOCATOR.realloc(block, before, now.size());
                    assert!(is_aligned(block, align), "{now:?}");
                    assert_eq!(block.read(), 7, "{now:?}");
                }
                ALLOCATOR.dealloc(block, layouts[2]);
            }
        }
    }

    #[test]
    #[expect(unsafe_code, reason = "calls what only the compiler calls otherwise")]
    fn zeroed_blocks_are_empty() {
        for (size, align) in SIZES.into_iter().flat_map(|size| [1, 8, 16, 64].map(|align| (size, align))) {
            let layout = Layout::from_size_align(size, align).unwrap();
            for _ in 0..3 {
                // SAFETY: the layout is not empty; the block is of it.
                unsafe {
                    let block = ALLOCATOR.alloc_zeroed(layout);
                    assert!(is_aligned(block, align), "{size} bytes for {align}");
                    assert!(
                        std::slice::from_raw_parts(block, size).iter().all(|byte| *byte == 0),
                        "{size} for {align}"
                    );
                    block.write_bytes(0xff, size);
                    ALLOCATOR.dealloc(block, layout);
                }
            }
        }
    }

    fn is_aligned(block: *mut u8, align: usize) -> bool {
        !block.is_null() && block.addr().is_multiple_of(align)
    }
}

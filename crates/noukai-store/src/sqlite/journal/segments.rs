//! The journal's two files, written in turns: one may be written anew from its beginning once the database has all that
//! is in it. Owns their format and the lock on them.
//!
//! A file is a header, [`MARK`] and the database's own id, and records: length, checksum, number (little-endian `u32`,
//! `u32`, `u64`), then the write as named MessagePack. The checksum is CRC-32 over number and write. Numbers have no gaps;
//! what was cut off in the middle, and what is left from before, ends the file.
//!
//! What is written is copied into the mapped file: it is the file's content at once, also where the process is killed, and
//! takes no call to the operating system, in which a thread would lose its processor while others wait for the lock. A
//! file has its room on the disk before it is mapped, as SQLite does it with the file beside its log: so a full disk is an
//! error and not the end of the process, where the file system writes in place.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use memmap2::MmapMut;

use crate::{RunWrite, sqlite::open};

/// What a file begins with; its last byte is the format's number.
const MARK: [u8; 8] = *b"NKRUNS\0\x01";
const HEADER: usize = 24;
/// Bytes before a record's write.
const HEAD: usize = 16;

/// Room is made in pieces of so much.
const PIECE: usize = 256 << 10;
/// From here on a file is left for the other.
const LONG: usize = 1 << 20;
/// What grew past this, when the database took nothing for long, is given back.
const TOO_LONG: usize = 16 << 20;

/// A write as it stands in a file, with room for what comes before it.
pub(super) struct Record(Vec<u8>);

impl Record {
    /// `None` for one that is longer than a file can say; there is no other reason.
    pub(super) fn of(write: &RunWrite) -> Option<Self> {
        let mut bytes = Vec::with_capacity(4_096);
        bytes.extend_from_slice(&[0; HEAD]);
        let mut named = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
        serde::Serialize::serialize(write, &mut named).ok()?;
        u32::try_from(bytes.len() - HEAD).ok()?;
        Some(Self(bytes))
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    fn numbered(&mut self, number: u64) -> &[u8] {
        let length = u32::try_from(self.0.len() - HEAD).unwrap_or(u32::MAX);
        self.0[8..HEAD].copy_from_slice(&number.to_le_bytes());
        let checksum = crc32fast::hash(&self.0[8..]);
        self.0[..4].copy_from_slice(&length.to_le_bytes());
        self.0[4..8].copy_from_slice(&checksum.to_le_bytes());
        &self.0
    }
}

/// What a file was found to hold.
pub(super) struct Found {
    pub(super) number: u64,
    pub(super) write: Vec<u8>,
}

/// Where the files of a database are.
pub(in super::super) fn paths(database: &Path) -> [PathBuf; 2] {
    ["-runs-0", "-runs-1"].map(|suffix| {
        let mut name = OsString::from(database);
        name.push(suffix);
        name.into()
    })
}

pub(super) struct Segments {
    files: [Segment; 2],
    /// Which one is written, from which record on, and how far it is.
    at: usize,
    first: u64,
    end: usize,
}

impl Segments {
    /// Opens both, made if missing; `None` where another process has them.
    pub(super) fn open(database: &Path) -> io::Result<Option<Self>> {
        let [first, second] = paths(database);
        let files = [Segment::open(&first)?, Segment::open(&second)?];
        match files[0].file.try_lock() {
            Ok(()) => Ok(Some(Self { files, at: 0, first: 0, end: HEADER })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Empties them, for the database with that id.
    pub(super) fn start_over(&mut self, database: &[u8; 16]) -> io::Result<()> {
        for segment in &mut self.files {
            segment.cut(0)?;
            segment.file.rewind()?;
            segment.file.write_all(&[&MARK[..], database].concat())?;
        }
        (self.at, self.first, self.end) = (0, 0, HEADER);
        Ok(())
    }

    /// Copies the record in. After a failure, what follows takes its place.
    pub(super) fn append(&mut self, number: u64, record: &mut Record) -> io::Result<()> {
        let bytes = record.numbered(number);
        let end = self.end + bytes.len();
        self.files[self.at].room(self.end..end)?.copy_from_slice(bytes);
        self.end = end;
        Ok(())
    }

    /// Goes to the other file with record `next`, where this one is long and the database has all that is in the other:
    /// `lacking` is the first record that it may lack.
    pub(super) fn turn(&mut self, lacking: u64, next: u64) {
        if self.end < LONG || lacking < self.first {
            return;
        }
        let other = 1 - self.at;
        let file = &mut self.files[other];
        let cut = if file.length() > TOO_LONG { file.cut(HEADER) } else { Ok(()) };
        match cut {
            Ok(()) => (self.at, self.first, self.end) = (other, next, HEADER),
            Err(error) => tracing::warn!(%error, "the journal of runs grows: its other file cannot be used"),
        }
    }

    /// Lets another process have them.
    pub(super) fn release(&mut self, empty: bool) {
        for segment in self.files.iter_mut().filter(|_| empty) {
            // What is left in it is known to be applied.
            let _ = segment.cut(HEADER);
        }
        // Goes with the file's handle, if not now.
        let _ = self.files[0].file.unlock();
    }
}

/// One file, and what of it has room.
struct Segment {
    file: File,
    mapped: Option<MmapMut>,
}

impl Segment {
    /// For the owner only, as the database is.
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: open::file_options().read(true).open(path)?, mapped: None })
    }

    fn length(&self) -> usize {
        self.mapped.as_ref().map_or(0, |mapped| mapped.len())
    }

    /// Its bytes at `place`, made room for where they have none.
    fn room(&mut self, place: Range<usize>) -> io::Result<&mut [u8]> {
        if self.length() < place.end {
            self.grow(place.end)?;
        }
        let room = self.mapped.as_mut().and_then(|mapped| mapped.get_mut(place));
        room.ok_or_else(|| io::Error::other("the journal's file has no room"))
    }

    /// Writes zeros, so that the disk is not found to be full when they are written over.
    #[expect(unsafe_code, reason = "a mapped file must not be cut by anyone else: whoever may write it heeds its lock")]
    fn grow(&mut self, length: usize) -> io::Result<()> {
        let length = length.next_multiple_of(PIECE) as u64;
        let there = self.file.seek(SeekFrom::End(0))?;
        io::copy(&mut io::repeat(0).take(length.saturating_sub(there)), &mut self.file)?;
        self.mapped = None;
        self.mapped = Some(unsafe { MmapMut::map_mut(&self.file)? });
        Ok(())
    }

    fn cut(&mut self, length: usize) -> io::Result<()> {
        self.mapped = None;
        self.file.set_len(length as u64)
    }
}

/// What is in the files of the database with that id; another process may have them open.
pub(super) fn read(database: &Path, id: &[u8; 16]) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for path in paths(database) {
        match fs::read(path) {
            Ok(bytes) => found.append(&mut records_of(&bytes, id)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn records_of(bytes: &[u8], database: &[u8; 16]) -> io::Result<Vec<Found>> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else { return Ok(Vec::new()) };
    let (mark, id) = header.split_at(MARK.len());
    if mark[..7] == MARK[..7] && mark != MARK && mark[7] != 0 {
        return Err(io::Error::other("another release of Noukai wrote the runs that are in it"));
    }
    if mark != MARK || id != database {
        return Ok(Vec::new());
    }
    Ok(records(rest))
}

fn records(mut bytes: &[u8]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    while let Some((number, write, rest)) = record(bytes) {
        if found.last().is_some_and(|last| last.number + 1 != number) {
            break;
        }
        found.push(Found { number, write: write.to_vec() });
        bytes = rest;
    }
    found
}

fn record(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let (checked, after) = rest.split_at_checked(8 + usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let (number, write) = checked.split_first_chunk::<8>()?;
    let is_whole = crc32fast::hash(checked) == u32::from_le_bytes(*checksum);
    is_whole.then(|| (u64::from_le_bytes(*number), write, after))
}

#[cfg(test)]
mod tests {
    use std::mem;

    use uuid::Uuid;

    use super::{
        super::tests::{DATABASE, segments, write},
        *,
    };
    use crate::RunId;

    fn numbers(database: &Path) -> Vec<u64> {
        read(database, &DATABASE).unwrap().into_iter().map(|found| found.number).collect()
    }

    #[test]
    fn a_record_that_found_no_room_leaves_its_place_to_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("noukai.db");
        let mut segments = segments(&database);
        let mut record = Record::of(&write(RunId(Uuid::nil()), 1, false)).unwrap();
        let whole = mem::replace(&mut segments.files[0].file, File::open(&paths(&database)[0]).unwrap());
        assert!(segments.append(1, &mut record).is_err(), "a file that cannot grow");
        segments.files[0].file = whole;
        for number in [1, 2] {
            segments.append(number, &mut record).unwrap();
        }
        assert_eq!(numbers(&database), [1, 2]);
    }

    #[test]
    fn a_record_longer_than_a_piece_has_room() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("noukai.db");
        let mut segments = segments(&database);
        let mut long = write(RunId(Uuid::nil()), 1, false);
        long.events[0].payload = "x".repeat(PIECE * 2);
        let mut record = Record::of(&long).unwrap();
        for number in 1..=3 {
            segments.append(number, &mut record).unwrap();
        }
        assert_eq!(numbers(&database), [1, 2, 3]);
        segments.release(true);
        let lengths = paths(&database).map(|path| fs::metadata(path).unwrap().len());
        assert_eq!(lengths, [HEADER as u64; 2], "given back");
    }
}

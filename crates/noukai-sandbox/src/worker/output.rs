//! Writes a function's output as JSON while holding it to its bounds, and remembers where in it the writing stands.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::wire::{Bounds, Failure, FailureKind};

/// A JSON text in the making.
pub struct Output {
    json: Vec<u8>,
    path: Vec<Step>,
    values: u64,
    bounds: Bounds,
}

enum Step {
    Key(String),
    Index(usize),
}

impl Output {
    /// Empty.
    pub fn new(bounds: &Bounds) -> Self {
        Self { json: Vec::with_capacity(256), path: Vec::new(), values: 0, bounds: *bounds }
    }

    /// The text.
    pub fn finish(self) -> Vec<u8> {
        self.json
    }

    /// A value that is no data: `what` goes on after the place, as in "is a set; return a list".
    pub fn refuse(&self, what: impl std::fmt::Display) -> Failure {
        Failure::new(FailureKind::OutputInvalid, format!("{} {what}", self.place()))
    }

    fn place(&self) -> String {
        let mut place = "the output".to_owned();
        for (depth, step) in self.path.iter().enumerate() {
            let written = match step {
                Step::Key(key) if depth == 0 => write!(place, "'s `{}`", clip(key)),
                Step::Key(key) => write!(place, ".{}", clip(key)),
                Step::Index(index) => write!(place, "[{index}]"),
            };
            if written.is_err() || place.len() > 200 {
                place.push('…');
                break;
            }
        }
        place
    }

    /// A value without parts.
    pub fn scalar(&mut self, value: &serde_json::Value) -> Result<(), Failure> {
        self.count()?;
        serde_json::to_writer(&mut self.json, value).map_err(|error| self.refuse(error))?;
        self.measure()
    }

    /// A string.
    pub fn string(&mut self, text: &str) -> Result<(), Failure> {
        self.count()?;
        self.fits(text.len())?;
        serde_json::to_writer(&mut self.json, text).map_err(|error| self.refuse(error))?;
        self.measure()
    }

    /// A number with a fraction, or one too large for an integer.
    pub fn float(&mut self, number: f64) -> Result<(), Failure> {
        match serde_json::Number::from_f64(number) {
            Some(number) => self.scalar(&number.into()),
            None => {
                Err(self
                    .refuse(format_args!("is {}, which JSON has no number for; return null or text", spell(number))))
            }
        }
    }

    /// A list: `item` writes one after the other until there is none.
    pub fn list<E: From<Failure>>(
        &mut self,
        mut item: impl FnMut(&mut Self, usize) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.open(b'[')?;
        for index in 0.. {
            let before = self.json.len();
            if index > 0 {
                self.json.push(b',');
            }
            self.path.push(Step::Index(index));
            if !item(self, index)? {
                self.path.pop();
                self.json.truncate(before);
                break;
            }
            self.path.pop();
        }
        self.json.push(b']');
        Ok(())
    }

    /// Begins an object.
    pub fn begin_object(&mut self) -> Result<(), Failure> {
        self.open(b'{')
    }

    /// One field; `first` tells whether a comma is due.
    pub fn field<E: From<Failure>>(
        &mut self,
        first: bool,
        key: &str,
        value: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        if !first {
            self.json.push(b',');
        }
        self.fits(key.len())?;
        serde_json::to_writer(&mut self.json, key).map_err(|error| self.refuse(error))?;
        self.json.push(b':');
        self.path.push(Step::Key(key.to_owned()));
        value(self)?;
        self.path.pop();
        Ok(())
    }

    /// Ends an object.
    pub fn end_object(&mut self) {
        self.json.push(b'}');
    }

    fn open(&mut self, bracket: u8) -> Result<(), Failure> {
        self.count()?;
        if self.path.len() >= self.bounds.depth as usize {
            let depth = self.bounds.depth;
            return Err(self.refuse(format_args!("is nested deeper than {depth} levels, or holds itself")));
        }
        self.json.write_all(&[bracket]).map_err(|error| self.refuse(error))
    }

    fn count(&mut self) -> Result<(), Failure> {
        self.values += 1;
        if self.values > self.bounds.values {
            let message = format!("the output has more than {} values; return less", self.bounds.values);
            return Err(Failure::new(FailureKind::OutputInvalid, message));
        }
        Ok(())
    }

    fn measure(&self) -> Result<(), Failure> {
        self.fits(0)
    }

    fn fits(&self, more: usize) -> Result<(), Failure> {
        if (self.json.len() + more) as u64 > self.bounds.output {
            let message = format!("the output is larger than {} bytes; return less", self.bounds.output);
            return Err(Failure::new(FailureKind::OutputInvalid, message));
        }
        Ok(())
    }
}

const fn spell(number: f64) -> &'static str {
    if number.is_nan() {
        "not a number (NaN)"
    } else if number > 0.0 {
        "infinite"
    } else {
        "minus infinite"
    }
}

fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(60)]
}

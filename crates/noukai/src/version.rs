//! Which version of a flow a call runs.

use std::{fmt, str::FromStr};

use crate::{Error, Result};

/// The version of a flow that a call runs.
///
/// ```
/// use noukai::Version;
/// assert_eq!(Version::default(), Version::Draft);
/// assert_eq!("production".parse::<Version>()?, Version::Production);
/// assert_eq!("3".parse::<Version>()?, Version::Number(3));
/// assert!("main".parse::<Version>().is_err());
/// # Ok::<(), noukai::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// As it is being edited.
    #[default]
    Draft,
    /// The one that was promoted; the draft where nothing was ever published.
    Production,
    /// A published one, from 1.
    Number(u32),
}

impl Version {
    /// The segment of the path, with its slash.
    pub(crate) fn segment(self) -> String {
        match self {
            Self::Draft => "/v0".to_owned(),
            Self::Production => String::new(),
            Self::Number(number) => format!("/v{number}"),
        }
    }

    fn checked(self) -> Result<Self> {
        if self == Self::Number(0) { Err(invalid("0")) } else { Ok(self) }
    }
}

fn invalid(text: impl fmt::Display) -> Error {
    Error::invalid(format!("`{text}` is no version; valid are `draft`, `production` and the numbers from 1"))
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "draft" => Ok(Self::Draft),
            "production" => Ok(Self::Production),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_| invalid(text)).and_then(|number| Self::Number(number).checked())
            }
            _ => Err(invalid(text)),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draft => f.write_str("draft"),
            Self::Production => f.write_str("production"),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// What can be read as a [`Version`]: itself, `"draft"`, `"production"`, `"3"`, `3`.
pub trait IntoVersion {
    /// The version.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidValue`](crate::ErrorKind::InvalidValue) for any other text or number.
    ///
    /// ```
    /// use noukai::{IntoVersion, Version};
    /// assert_eq!(3.into_version()?, Version::Number(3));
    /// assert!((-1).into_version().is_err());
    /// # Ok::<(), noukai::Error>(())
    /// ```
    fn into_version(self) -> Result<Version>;
}

impl IntoVersion for Version {
    fn into_version(self) -> Result<Version> {
        self.checked()
    }
}

impl IntoVersion for &str {
    fn into_version(self) -> Result<Version> {
        self.parse()
    }
}

impl IntoVersion for String {
    fn into_version(self) -> Result<Version> {
        self.parse()
    }
}

impl IntoVersion for &String {
    fn into_version(self) -> Result<Version> {
        self.parse()
    }
}

macro_rules! from_number {
    ($($number:ty),+) => {$(
        impl IntoVersion for $number {
            fn into_version(self) -> Result<Version> {
                u32::try_from(self).map_err(|_| invalid(self)).and_then(|number| Version::Number(number).checked())
            }
        }
    )+};
}

from_number!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_segments_of_the_path() {
        let segment = |text: &str| text.parse::<Version>().map(Version::segment).ok();
        assert_eq!(segment("draft").as_deref(), Some("/v0"));
        assert_eq!(segment("production").as_deref(), Some(""));
        assert_eq!(segment("3").as_deref(), Some("/v3"));
    }

    #[test]
    fn anything_else_is_refused_and_the_valid_ones_are_named() {
        for bad in ["main", "dev", "-1", "", "0", "v1", "+3", "3.0", " 3", "Draft", "4294967296"] {
            let error = bad.parse::<Version>().expect_err(bad);
            assert_eq!(error.kind(), crate::ErrorKind::InvalidValue, "{bad}");
            assert!(error.to_string().contains("`draft`, `production`"), "{error}");
        }
        assert!(0.into_version().is_err() && (-1).into_version().is_err() && u64::MAX.into_version().is_err());
        assert!(Version::Number(0).into_version().is_err());
    }
}

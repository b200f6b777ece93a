//! What of the cage is in force on this machine.

use std::fmt;

use crate::wire::Right;

/// Every right that a worker gives up, and which of them the system let it give up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CageReport {
    /// In the order in which they are given up.
    pub rights: Vec<CageRight>,
}

/// One right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CageRight {
    /// What a worker cannot do, such as `files (Landlock)`.
    pub name: String,
    /// Why it still can.
    pub missing: Option<String>,
}

impl CageReport {
    pub(crate) fn new(rights: &[Right]) -> Self {
        let told = |right: &Right| CageRight { name: right.name.clone(), missing: right.missing.clone() };
        Self { rights: rights.iter().map(told).collect() }
    }

    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.rights.iter().all(|right| right.missing.is_none())
    }
}

/// One sentence for a log.
impl fmt::Display for CageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held: Vec<_> =
            self.rights.iter().filter(|right| right.missing.is_none()).map(|right| &*right.name).collect();
        write!(f, "in force: {}", held.join(", "))?;
        for right in &self.rights {
            if let Some(missing) = &right.missing {
                write!(f, "; not in force: {} ({missing})", right.name)?;
            }
        }
        Ok(())
    }
}

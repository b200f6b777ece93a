//! One flow on both sides, and who has changed it since they were last equal.

use noukai_api::FlowDraft;
use serde_json::Value;

use super::Known;
use crate::flow_files::FlowFile;

/// One flow, here and there.
pub struct Pair<'a> {
    pub slug: String,
    /// The file here.
    pub file: Option<&'a FlowFile>,
    /// The draft there.
    pub remote: Option<FlowDraft>,
    /// When they were last equal.
    pub known: Option<Known>,
}

/// Who has changed a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody: both are equal.
    Same,
    /// There is a file and nothing on the server.
    OnlyHere,
    /// There is no file.
    OnlyThere,
    /// The file, and nobody on the server.
    ChangedHere,
    /// Somebody on the server.
    ChangedThere,
    /// Both, or it is not known who: they were never seen equal.
    ChangedBoth,
}

impl Standing {
    /// For programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::OnlyHere => "only_here",
            Self::OnlyThere => "only_there",
            Self::ChangedHere => "changed_here",
            Self::ChangedThere => "changed_there",
            Self::ChangedBoth => "changed_both",
        }
    }

    /// For people.
    pub const fn said(self) -> &'static str {
        match self {
            Self::Same => "in step",
            Self::OnlyHere => "only here",
            Self::OnlyThere => "only on the server",
            Self::ChangedHere => "changed here",
            Self::ChangedThere => "changed on the server",
            Self::ChangedBoth => "changed on both sides",
        }
    }
}

impl Pair<'_> {
    /// The document here.
    pub fn here(&self) -> Option<&Value> {
        self.file?.document.as_ref()
    }

    /// The document there.
    pub fn there(&self) -> Option<&Value> {
        self.remote.as_ref().map(|draft| &draft.document)
    }

    pub fn standing(&self) -> Standing {
        let hash = |document: Option<&Value>| document.map(noukai_flow::document_hash);
        let known = self.known.as_ref().filter(|known| {
            // A flow that was made anew under the slug is another one.
            self.remote.as_ref().is_none_or(|draft| draft.flow.flow_id == known.flow_id)
        });
        standing(hash(self.here()).as_deref(), hash(self.there()).as_deref(), known.map(|known| known.hash.as_str()))
    }

    /// Both sides moved: in words, with what can be done.
    pub fn conflict(&self) -> String {
        let slug = &self.slug;
        match (&self.known, &self.remote) {
            (Some(known), Some(draft)) => format!(
                "`{slug}` was changed here and on the server, which is at revision {} and was at {} when you last had it",
                draft.flow.revision, known.revision
            ),
            _ => format!(
                "`{slug}` differs here and on the server, and was never seen equal, so that it is not known which is newer"
            ),
        }
    }
}

fn standing(here: Option<&str>, there: Option<&str>, known: Option<&str>) -> Standing {
    match (here, there) {
        (_, None) => Standing::OnlyHere,
        (None, _) => Standing::OnlyThere,
        (here, there) if here == there => Standing::Same,
        (here, _) if here == known => Standing::ChangedThere,
        (_, there) if there == known => Standing::ChangedHere,
        _ => Standing::ChangedBoth,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_changed_is_told_by_what_was_last_equal() {
        for (here, there, known, expected) in [
            (Some("a"), Some("a"), None, Standing::Same),
            (Some("a"), Some("a"), Some("b"), Standing::Same),
            (Some("b"), Some("a"), Some("a"), Standing::ChangedHere),
            (Some("a"), Some("b"), Some("a"), Standing::ChangedThere),
            (Some("b"), Some("c"), Some("a"), Standing::ChangedBoth),
            (Some("b"), Some("c"), None, Standing::ChangedBoth),
            (Some("a"), None, Some("a"), Standing::OnlyHere),
            (None, Some("a"), Some("a"), Standing::OnlyThere),
        ] {
            assert_eq!(standing(here, there, known), expected, "{here:?} {there:?} {known:?}");
        }
    }
}

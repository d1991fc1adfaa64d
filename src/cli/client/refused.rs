//! Requests that the API refuses, with what a command can do about it.

use std::fmt;

use crate::api::remedy::Remedy;

/// Why the API refused a request.
#[derive(Debug)]
pub struct Refused {
    why: String,
    remedy: Option<Remedy>,
}

impl Refused {
    pub fn new(why: String, remedy: Option<Remedy>) -> Refused {
        Refused { why, remedy }
    }

    /// The reason alone, where the flags of another command would not help.
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_remedy(&self.why, self.remedy))
    }
}

impl std::error::Error for Refused {}

/// A reason, and what a command can do about it.
pub fn with_remedy(why: &impl fmt::Display, remedy: Option<Remedy>) -> String {
    match remedy {
        Some(remedy) => format!("{why}; {}", in_words(remedy)),
        None => why.to_string(),
    }
}

fn in_words(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Force => "pass --force to do it all the same",
        Remedy::Largest => "pass --largest to take the largest",
        Remedy::ListPeople => "see `usher people list`",
        Remedy::ListTemplates => "see `usher people templates PERSON`",
        Remedy::ListTags => "`usher people tag PERSON list` shows their labels",
        Remedy::RemoveTag => "`usher people tag PERSON remove` does that",
        Remedy::RemovePins => "`usher people pin PERSON --remove` erases them",
        Remedy::RemoveDuressPin => "`usher people pin PERSON --duress --remove` removes it",
        Remedy::ListAccounts => "`usher web user list` shows all",
        Remedy::ListTokens => "`usher web token list` shows all",
        Remedy::ListRecords => "`usher journal list` shows the newest",
        Remedy::SwitchModels => {
            "`usher models switch NAME` begins a switch, --status shows it, --finish ends it, --cancel goes back"
        }
        Remedy::Status => "`usher status` says more",
    }
}

//! What an account or a token may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the caller of a request must be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// To see the doors, the cameras, the records and the state of the daemon.
    See,
    /// To see people's names, to read and amend attendance, and to export it.
    Attendance,
    /// To give orders to doors, and to enrol and change people.
    Operate,
    /// To manage accounts, erase, export a person's data, make backups, and switch models.
    Administer,
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees the doors, the cameras, the records and the daemon's state; changes nothing.
    Viewer,
    /// Reads, amends and exports attendance; sees no cameras and moves no doors.
    Attendance,
    /// Does everything of the two above, gives orders to doors, and enrols and changes people.
    Operator,
    /// May do everything.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Attendance, Role::Operator, Role::Admin];

    /// The role's name, as it is written in requests and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Attendance => "attendance",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// Whether the role includes a permission.
    pub fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::See => self != Role::Attendance,
            Permission::Attendance => self != Role::Viewer,
            Permission::Operate => matches!(self, Role::Operator | Role::Admin),
            Permission::Administer => self == Role::Admin,
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_the_documented_permissions() {
        use Permission::{Administer, Attendance, Operate, See};
        let may = |role: Role| [See, Attendance, Operate, Administer].map(|permission| role.may(permission));
        assert_eq!(may(Role::Viewer), [true, false, false, false]);
        assert_eq!(may(Role::Attendance), [false, true, false, false]);
        assert_eq!(may(Role::Operator), [true, true, true, false]);
        assert_eq!(may(Role::Admin), [true; 4]);
    }
}

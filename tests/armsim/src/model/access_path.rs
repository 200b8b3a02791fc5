//! Paths of what decides about access: user-assigned identities with their federated credentials, role definitions and
//! role assignments. Takes paths apart; knows nothing of what is there.

/// What such a path names; the subscription stands in `ArmPath`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessPath {
    Identities {
        subscription: String,
        group: Option<String>,
    },
    Identity(IdentityId),
    Federations(IdentityId),
    Federation(IdentityId, String),
    /// Definitions and assignments stand below any scope, in the spelling of the path.
    Definitions {
        scope: String,
    },
    Definition {
        scope: String,
        name: String,
    },
    Assignments {
        scope: String,
    },
    Assignment {
        scope: String,
        name: String,
    },
}

/// The id of a user-assigned identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityId {
    pub subscription: String,
    pub group: String,
    pub name: String,
}

impl IdentityId {
    /// Azure spells `resourcegroups` without the capital in ids of identities.
    pub(super) fn shown(&self) -> String {
        let Self { subscription, group, name } = self;
        format!(
            "/subscriptions/{subscription}/resourcegroups/{group}/providers/Microsoft.ManagedIdentity/\
             userAssignedIdentities/{name}"
        )
    }

    /// The form that ids are compared in.
    pub(super) fn key(&self) -> String {
        self.shown().to_ascii_lowercase()
    }
}

impl AccessPath {
    /// None: the path names something else. `lower` are the segments without capitals.
    pub(super) fn parse(segments: &[String], lower: &[&str]) -> Option<Self> {
        let at = |i: usize| segments[i].clone();
        let identity = || IdentityId { subscription: at(1), group: at(3), name: at(7) };
        let scope = |without: usize| format!("/{}", segments[..segments.len() - without].join("/"));
        let found = match lower {
            ["subscriptions", _, "providers", "microsoft.managedidentity", "userassignedidentities"] => {
                Self::Identities { subscription: at(1), group: None }
            }
            [
                "subscriptions",
                _,
                "resourcegroups",
                _,
                "providers",
                "microsoft.managedidentity",
                "userassignedidentities",
                rest @ ..,
            ] => match rest {
                [] => Self::Identities { subscription: at(1), group: Some(at(3)) },
                [_] => Self::Identity(identity()),
                [_, "federatedidentitycredentials"] => Self::Federations(identity()),
                [_, "federatedidentitycredentials", _] => Self::Federation(identity(), at(9)),
                // A role may be assigned at an identity as at everything else.
                _ => return Self::at_any_scope(lower, scope, segments),
            },
            _ => return Self::at_any_scope(lower, scope, segments),
        };
        Some(found)
    }

    fn at_any_scope(lower: &[&str], scope: impl Fn(usize) -> String, segments: &[String]) -> Option<Self> {
        let name = || segments[segments.len() - 1].clone();
        Some(match lower {
            ["subscriptions", _, .., "providers", "microsoft.authorization", "roledefinitions"] => {
                Self::Definitions { scope: scope(3) }
            }
            ["subscriptions", _, .., "providers", "microsoft.authorization", "roledefinitions", _] => {
                Self::Definition { scope: scope(4), name: name() }
            }
            ["subscriptions", _, .., "providers", "microsoft.authorization", "roleassignments"] => {
                Self::Assignments { scope: scope(3) }
            }
            ["subscriptions", _, .., "providers", "microsoft.authorization", "roleassignments", _] => {
                Self::Assignment { scope: scope(4), name: name() }
            }
            _ => return None,
        })
    }

    /// The id that roles and locks are compared with.
    pub(super) fn scope(&self) -> String {
        match self {
            Self::Identities { subscription, group: None } => format!("/subscriptions/{subscription}"),
            Self::Identities { subscription, group: Some(group) } => {
                format!("/subscriptions/{subscription}/resourceGroups/{group}")
            }
            Self::Identity(id) | Self::Federations(id) => id.shown(),
            Self::Federation(id, name) => format!("{}/federatedIdentityCredentials/{name}", id.shown()),
            Self::Definitions { scope }
            | Self::Definition { scope, .. }
            | Self::Assignments { scope }
            | Self::Assignment { scope, .. } => scope.clone(),
        }
    }

    pub(super) fn action_type(&self) -> &'static str {
        match self {
            Self::Identities { .. } | Self::Identity(_) => "Microsoft.ManagedIdentity/userAssignedIdentities",
            Self::Federations(_) | Self::Federation(..) => {
                "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
            }
            Self::Definitions { .. } | Self::Definition { .. } => "Microsoft.Authorization/roleDefinitions",
            Self::Assignments { .. } | Self::Assignment { .. } => "Microsoft.Authorization/roleAssignments",
        }
    }
}

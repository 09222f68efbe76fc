use contacts_proto::v1;

use super::{FromProto, IntoProto};
use crate::model::{
    AttributeType, CheckReason, ContactView, Decision, DeleteReason, DuplicateReason,
    EvidenceField, MessageCategory, OnConflict, OptInEventKind, OptInSource, OptInStatus,
    PlatformPreference, TokenScope, WebhookOutcome, WebhookStatementKind,
};

/// Enums that a newer server may extend. An unknown value keeps its number.
macro_rules! open {
    ($($name:ident { $($value:ident)* })*) => {$(
        impl FromProto<i32> for $name {
            fn from_proto(number: i32) -> Self {
                match v1::$name::try_from(number) {
                    $(Ok(v1::$name::$value) => Self::$value,)*
                    Ok(v1::$name::Unspecified) | Err(_) => Self::Unknown(number),
                }
            }
        }

        impl IntoProto<i32> for $name {
            fn into_proto(self) -> i32 {
                match self {
                    $(Self::$value => v1::$name::$value.into(),)*
                    Self::Unknown(number) => number,
                }
            }
        }
    )*};
}

open! {
    AttributeType { String Number Boolean Timestamp Enum }
    CheckReason {
        OptedIn NotAsked OptedOut PlatformOptedOut Expired UnknownContact InvalidPhoneNumber
        FormerIdentity Erased InvalidRecipient
    }
    Decision { Allow Deny }
    DeleteReason { PersonRequest InvalidNumber Other }
    DuplicateReason { SameEmail SameNameSimilarNumber }
    MessageCategory { Marketing Utility Authentication }
    OptInEventKind {
        OptIn OptOut PlatformStop PlatformResume Erased Created Linked Merged Retired Released
        Claimed Forgotten
    }
    OptInSource { WebForm InboundMessage Ivr Paper Import Operator Api Platform }
    OptInStatus { NotAsked OptedIn OptedOut }
    TokenScope { OptInCheck OptInWrite ContactsRead ContactsWrite Admin }
    WebhookOutcome {
        Recorded Linked AlreadyApplied AlreadyLinked UnknownContact Contradicts Outdated Refused
        Unreadable
    }
    WebhookStatementKind { Stop Resume OptOut NumberChanged UserIdChanged SamePerson }
}

impl FromProto<i32> for EvidenceField {
    fn from_proto(number: i32) -> Self {
        use v1::OptInEvidenceField as Field;
        match Field::try_from(number) {
            Ok(Field::Wording) => Self::Wording,
            Ok(Field::WordingVersion) => Self::WordingVersion,
            Ok(Field::BusinessName) => Self::BusinessName,
            Ok(Field::Url) => Self::Url,
            Ok(Field::MessageId) => Self::MessageId,
            Ok(Field::Actor) => Self::Actor,
            Ok(Field::Unspecified) | Err(_) => Self::Unknown(number),
        }
    }
}

impl IntoProto<i32> for EvidenceField {
    fn into_proto(self) -> i32 {
        use v1::OptInEvidenceField as Field;
        match self {
            Self::Wording => Field::Wording.into(),
            Self::WordingVersion => Field::WordingVersion.into(),
            Self::BusinessName => Field::BusinessName.into(),
            Self::Url => Field::Url.into(),
            Self::MessageId => Field::MessageId.into(),
            Self::Actor => Field::Actor.into(),
            Self::Unknown(number) => number,
        }
    }
}

impl IntoProto<i32> for ContactView {
    fn into_proto(self) -> i32 {
        match self {
            Self::Basic => v1::ContactView::Basic.into(),
            Self::Full => v1::ContactView::Full.into(),
        }
    }
}

impl IntoProto<i32> for PlatformPreference {
    fn into_proto(self) -> i32 {
        match self {
            Self::Stop => v1::PlatformPreference::Stop.into(),
            Self::Resume => v1::PlatformPreference::Resume.into(),
        }
    }
}

impl IntoProto<i32> for OnConflict {
    fn into_proto(self) -> i32 {
        match self {
            Self::Skip => v1::OnConflict::Skip.into(),
            Self::Merge => v1::OnConflict::Merge.into(),
            Self::Fail => v1::OnConflict::Fail.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_keep_their_number_and_never_allow() {
        for number in [0, 3, -1, i32::MAX] {
            let decision = Decision::from_proto(number);
            assert_eq!(decision, Decision::Unknown(number));
            assert_ne!(decision, Decision::Allow);
            assert_eq!(IntoProto::<i32>::into_proto(decision), number);
        }
        assert_eq!(OptInStatus::from_proto(2), OptInStatus::OptedIn);
        assert_eq!(OptInStatus::from_proto(99), OptInStatus::Unknown(99));
    }
}

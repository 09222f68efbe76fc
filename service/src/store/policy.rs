//! A policy as it is stored: encoded as the API's message.

use contacts_proto::v1;
use prost::Message;

use crate::domain::consent::{EvidenceField, OptInPolicy};
use crate::domain::error::{Error, Result};

/// The message of a policy.
pub(crate) fn wire_policy(policy: &OptInPolicy) -> v1::OptInPolicy {
    let [marketing, utility, authentication] =
        policy.max_age_days.map(|days| days.unwrap_or(0).try_into().unwrap_or(i32::MAX));
    let ages = v1::MaxAgeDays { marketing, utility, authentication };
    v1::OptInPolicy {
        required_evidence: policy.required_evidence.iter().map(|field| *field as i32).collect(),
        max_age_days: (ages != v1::MaxAgeDays::default()).then_some(ages),
    }
}

/// The policy of a message. Not validated; None if it has a field or an age that no
/// policy has.
pub(crate) fn policy_of(message: &v1::OptInPolicy) -> Option<OptInPolicy> {
    let fields = message.required_evidence.iter().copied().map(EvidenceField::from_code);
    let v1::MaxAgeDays { marketing, utility, authentication } =
        message.max_age_days.unwrap_or_default();
    let mut max_age_days = [None; 3];
    for (age, days) in max_age_days.iter_mut().zip([marketing, utility, authentication]) {
        *age = Some(u32::try_from(days).ok()?).filter(|days| *days != 0);
    }
    Some(OptInPolicy { required_evidence: fields.collect::<Option<_>>()?, max_age_days })
}

/// The bytes to store. None at all for the default.
pub(super) fn encode_policy(policy: &OptInPolicy) -> Vec<u8> {
    wire_policy(policy).encode_to_vec()
}

/// The policy that was stored.
pub(super) fn decode_policy(bytes: &[u8]) -> Result<OptInPolicy> {
    let message = v1::OptInPolicy::decode(bytes).map_err(Error::internal)?;
    policy_of(&message).ok_or_else(|| Error::internal("a stored policy is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_stored_and_read() {
        let policy = OptInPolicy {
            required_evidence: vec![EvidenceField::Wording, EvidenceField::Actor],
            max_age_days: [Some(730), None, Some(1)],
        };
        assert_eq!(decode_policy(&encode_policy(&policy)).expect("a policy"), policy);
        assert_eq!(encode_policy(&OptInPolicy::default()), b"");
        assert_eq!(decode_policy(b"").expect("a policy"), OptInPolicy::default());
        let unknown = v1::OptInPolicy { required_evidence: vec![7], ..Default::default() };
        assert!(decode_policy(&unknown.encode_to_vec()).is_err());
    }
}

//! Activation codes. Nothing at rest holds one: each is derived from the keyring, the user, and the number of the activation,
//! so that every attempt to mail it carries the same code.

use std::fmt;

use ring::hmac;
use subtle::{Choice, ConstantTimeEq as _};

use crate::domain::id::{TenantId, UserId};
use crate::keyring::{CurrentKeyring, Purpose, Subkey};

/// Digits and letters without those that look like others: 0, 1, I, L, O, U.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Twelve of thirty characters are 58 bits.
const LENGTH: usize = 12;
const GROUP: usize = 4;
/// More than a code with every blank and dash that a person may type.
pub const MAX_TYPED_BYTES: usize = 64;

/// A code as it is mailed, such as `K7QM-2XWD-9RTA`.
#[derive(Clone, PartialEq, Eq)]
pub struct ActivationCode([u8; LENGTH]);

impl ActivationCode {
    /// The code in groups, to be read by a person.
    pub fn grouped(&self) -> String {
        let groups = self
            .0
            .chunks(GROUP)
            .map(|group| group.iter().copied().map(char::from).collect::<String>());
        groups.collect::<Vec<_>>().join("-")
    }

    /// Reads what somebody typed. What cannot be a code is the code of nobody.
    fn read(typed: &str) -> Self {
        let mut code = [0; LENGTH];
        let mut typed = typed.bytes().filter(|byte| !b" -\t\r\n".contains(byte));
        for slot in &mut code {
            *slot = typed.next().unwrap_or_default().to_ascii_uppercase();
        }
        if typed.next().is_some() {
            Self([0; LENGTH])
        } else {
            Self(code)
        }
    }
}

impl fmt::Debug for ActivationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActivationCode(<redacted>)")
    }
}

/// Derives codes and compares them. Cheap to clone.
#[derive(Clone)]
pub struct ActivationCodes {
    keyring: CurrentKeyring,
}

impl ActivationCodes {
    /// The codes of this keyring. Its newest key derives, all of them verify.
    pub const fn new(keyring: CurrentKeyring) -> Self {
        Self { keyring }
    }

    /// The code of a user's activation.
    pub fn derive(&self, tenant: TenantId, user: UserId, number: i64) -> ActivationCode {
        let keyring = self.keyring.current();
        derive(&keyring.subkeys(Purpose::ActivationCodes)[0], tenant, user, number)
    }

    /// Whether `typed` is the code of a user's activation; takes as long whatever the answer.
    pub fn matches(&self, tenant: TenantId, user: UserId, number: i64, typed: &str) -> bool {
        let typed = ActivationCode::read(typed);
        let keyring = self.keyring.current();
        let keys = keyring.subkeys(Purpose::ActivationCodes).iter();
        let matches = keys.fold(Choice::from(0), |matches, key| {
            matches | derive(key, tenant, user, number).0.ct_eq(&typed.0)
        });
        matches.into()
    }
}

impl fmt::Debug for ActivationCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ActivationCodes")
    }
}

fn derive(key: &Subkey, tenant: TenantId, user: UserId, number: i64) -> ActivationCode {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key.bytes));
    context.update(tenant.uuid().as_bytes());
    context.update(user.uuid().as_bytes());
    context.update(&number.to_be_bytes());
    let tag = context.sign();
    // 128 bits spread over 30^12 codes: no code is noticeably likelier than another.
    let mut rest = tag
        .as_ref()
        .iter()
        .take(16)
        .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let mut code = [0; LENGTH];
    for slot in &mut code {
        let digit = usize::try_from(rest % ALPHABET.len() as u128).unwrap_or_default();
        *slot = ALPHABET[digit];
        rest /= ALPHABET.len() as u128;
    }
    ActivationCode(code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::keyring::Keyring;

    fn codes(keys: &[[u8; 32]]) -> ActivationCodes {
        ActivationCodes::new(Keyring::fixed(keys))
    }

    #[test]
    fn a_code_is_the_same_each_time_and_another_for_everything_else() {
        let codes = codes(&[[7; 32]]);
        let (tenant, user) = (TenantId::generate(), UserId::generate());

        let code = codes.derive(tenant, user, 1).grouped();

        assert_eq!(codes.derive(tenant, user, 1).grouped(), code);
        let others = [
            codes.derive(tenant, user, 2),
            codes.derive(tenant, UserId::generate(), 1),
            codes.derive(TenantId::generate(), user, 1),
            super::tests::codes(&[[8; 32]]).derive(tenant, user, 1),
        ];
        let all: BTreeSet<String> = others.iter().map(ActivationCode::grouped).chain([code]).collect();
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn a_code_is_three_groups_without_look_alikes() {
        let codes = codes(&[[7; 32]]);
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let code = codes.derive(TenantId::generate(), UserId::generate(), 1).grouped();
            assert_eq!(code.split('-').map(str::len).collect::<Vec<_>>(), [4, 4, 4], "{code}");
            seen.extend(code.bytes().filter(|byte| *byte != b'-'));
        }
        assert_eq!(seen, ALPHABET.iter().copied().collect());
    }

    #[test]
    fn case_blanks_and_dashes_do_not_matter_and_everything_else_does() {
        let codes = codes(&[[7; 32]]);
        let (tenant, user) = (TenantId::generate(), UserId::generate());
        let code = codes.derive(tenant, user, 1).grouped();
        let matches = |typed: &str| codes.matches(tenant, user, 1, typed);

        for typed in [
            code.clone(),
            code.to_lowercase(),
            code.replace('-', ""),
            format!(" {} ", code.replace('-', " - ")),
        ] {
            assert!(matches(&typed), "{typed}");
        }
        for typed in [
            "",
            "-",
            &code[..13],
            &format!("{code}2"),
            &"\0".repeat(12),
            &code.replace('-', "_"),
        ] {
            assert!(!matches(typed), "{typed:?}");
        }
    }

    #[test]
    fn a_code_survives_the_rotation_of_the_key_that_made_it() {
        let (old, both) = (codes(&[[1; 32]]), codes(&[[2; 32], [1; 32]]));
        let (tenant, user) = (TenantId::generate(), UserId::generate());

        let code = old.derive(tenant, user, 1).grouped();

        assert!(both.matches(tenant, user, 1, &code));
        assert_ne!(both.derive(tenant, user, 1).grouped(), code);
    }

    #[test]
    fn debug_shows_no_code() {
        let codes = codes(&[[7; 32]]);
        let code = codes.derive(TenantId::generate(), UserId::generate(), 1);
        assert_eq!(
            format!("{code:?} {codes:?}"),
            "ActivationCode(<redacted>) ActivationCodes"
        );
    }
}

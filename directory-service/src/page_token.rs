//! Page tokens: where a list goes on, encrypted because a position holds names, and bound to the question it answers.
//!
//! A token is `key id, nonce, ciphertext and tag` in URL-safe base64, by AES-256-GCM. What it is bound to (tenant,
//! caller's rights, list, filter, order) is authenticated with it and not in it; the time when it was made is sealed with
//! the position. Any replica with the keyring opens it, for an hour. Every page brings tokens of its own, so that a walk
//! may take as long as it likes as long as its client does not pause for an hour.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use directory_proto::client::PAGE_TOKEN_LIFETIME;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Clock;
use crate::domain::id::TenantId;
use crate::domain::token::Scopes;
use crate::keyring::{CurrentKeyring, Purpose, Subkey};

const KEY_ID_BYTES: usize = 4;
/// A position holds one key, of a text of 65,536 bytes at most: folded and as JSON several times as long.
const MOST_TEXT_BYTES: usize = 1024 * 1024;

/// How far the clocks of replicas may be apart.
const CLOCK_SKEW_US: i64 = 5 * 60 * 1_000_000;

/// Why a page token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageTokenError {
    /// It is damaged, or was made for another tenant, caller, list, filter or order.
    #[error("the page token does not belong to this request")]
    Invalid,
    /// It is too old; or it was made so far in the future that nobody can tell how old it is.
    #[error("the page token is too old")]
    Expired,
}

/// What is sealed in a token.
#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    issued_us: i64,
    position: T,
}

/// What a page token is bound to.
#[derive(Clone)]
pub struct Question(Sha256);

impl Question {
    /// One list of one tenant, or of all tenants, as a holder of these scopes sees it.
    pub fn new(list: &'static str, tenant: Option<TenantId>, rights: Scopes) -> Self {
        let tenant = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        Self(Sha256::new())
            .with(list.as_bytes())
            .with(tenant.as_bytes())
            .with(&rights.bits().to_be_bytes())
    }

    /// Binds one more part: a filter, an order, a direction.
    #[must_use]
    pub fn with(mut self, part: &[u8]) -> Self {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
        self
    }

    fn digest(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}

/// Makes and reads page tokens. Cheap to clone.
#[derive(Clone)]
pub struct PageTokens {
    keyring: CurrentKeyring,
    clock: Clock,
}

impl PageTokens {
    /// Page tokens under this keyring: the newest key makes them, every key reads them.
    pub const fn new(keyring: CurrentKeyring, clock: Clock) -> Self {
        Self { keyring, clock }
    }

    /// The token that goes on after `position` when the same question is asked.
    pub fn seal<T: Serialize>(&self, question: &Question, position: &T) -> String {
        let keyring = self.keyring.current();
        let subkey = keyring
            .subkeys(Purpose::PageTokens)
            .first()
            .expect("a keyring holds at least one key");
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .expect("the system's random source answers once it is seeded");
        let issued_us = self.clock.now_us();
        let mut sealed = serde_json::to_vec(&Sealed { issued_us, position }).expect("a position is plain data");
        let key = aead(subkey);
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(question.digest()),
            &mut sealed,
        )
        .expect("a position is far shorter than AES-GCM's limit");
        URL_SAFE_NO_PAD.encode([&subkey.id[..], &nonce, &sealed].concat())
    }

    /// The position in a token.
    ///
    /// # Errors
    /// [`PageTokenError`].
    pub fn open<T: DeserializeOwned>(&self, question: &Question, token: &str) -> Result<T, PageTokenError> {
        let Sealed { issued_us, position } = self.unseal(question, token).ok_or(PageTokenError::Invalid)?;
        let lifetime_us = i64::try_from(PAGE_TOKEN_LIFETIME.as_micros()).unwrap_or(i64::MAX);
        let age_us = self.clock.now_us().saturating_sub(issued_us);
        if (-CLOCK_SKEW_US..=lifetime_us).contains(&age_us) {
            Ok(position)
        } else {
            Err(PageTokenError::Expired)
        }
    }

    fn unseal<T: DeserializeOwned>(&self, question: &Question, token: &str) -> Option<T> {
        if token.len() > MOST_TEXT_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, rest) = bytes.split_at_checked(KEY_ID_BYTES)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let keyring = self.keyring.current();
        let subkey = keyring
            .subkeys(Purpose::PageTokens)
            .iter()
            .find(|subkey| subkey.id == id)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let plain = aead(subkey)
            .open_in_place(nonce, Aad::from(question.digest()), &mut sealed)
            .ok()?;
        serde_json::from_slice(plain).ok()
    }

    /// Page tokens under a key of tests.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::new(crate::keyring::Keyring::fixed(&[[42; 32]]), Clock::system())
    }
}

fn aead(subkey: &Subkey) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &subkey.bytes).expect("a subkey has the length of an AES-256 key"))
}

impl std::fmt::Debug for PageTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageTokens")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::fold;
    use crate::domain::page::{PageKey, PagePosition, Place, Walk};
    use crate::domain::text::MAX_TEXT_BYTES;
    use crate::domain::token::Scope;
    use crate::keyring::Keyring;

    const HOUR_US: i64 = 60 * 60 * 1_000_000;
    const T0: i64 = 1_767_225_600_000_000;

    fn rights(scope: Scope) -> Scopes {
        [scope].into_iter().collect()
    }

    #[test]
    fn a_position_comes_back_for_the_same_question() {
        let tokens = PageTokens::for_tests();
        let question = Question::new("users", Some(TenantId::generate()), rights(Scope::Read)).with(b"filter");
        let position = ("ada@example.com".to_owned(), 7_i64);

        let token = tokens.seal(&question, &position);

        assert_eq!(tokens.open(&question, &token), Ok(position));
        assert!(!token.contains("ada"));
        assert_ne!(
            token,
            tokens.seal(&question, &("ada@example.com", 7)),
            "every nonce is new"
        );
    }

    #[test]
    fn a_position_after_the_longest_text_comes_back() {
        let tokens = PageTokens::for_tests();
        let question = Question::new("users", None, Scopes::OPERATOR);
        for longest in [
            "\u{1}".repeat(MAX_TEXT_BYTES),
            fold(&"\u{390}".repeat(MAX_TEXT_BYTES / 2)),
        ] {
            let place = Place {
                key: Some(PageKey::Text(longest)),
                id: uuid::Uuid::now_v7(),
            };
            let position = PagePosition {
                place,
                walk: Walk::Forward,
                inclusive: false,
            };

            let token = tokens.seal(&question, &position);

            assert_eq!(tokens.open(&question, &token), Ok(position));
        }
    }

    #[test]
    fn another_question_does_not_open_it() {
        let tokens = PageTokens::for_tests();
        let tenant = Some(TenantId::generate());
        let question = Question::new("users", tenant, rights(Scope::Read))
            .with(b"filter")
            .with(b"order");
        let token = tokens.seal(&question, &1);

        for other in [
            Question::new("users", Some(TenantId::generate()), rights(Scope::Read))
                .with(b"filter")
                .with(b"order"),
            Question::new("users", None, rights(Scope::Read))
                .with(b"filter")
                .with(b"order"),
            Question::new("users", tenant, rights(Scope::Admin))
                .with(b"filter")
                .with(b"order"),
            Question::new("groups", tenant, rights(Scope::Read))
                .with(b"filter")
                .with(b"order"),
            Question::new("users", tenant, rights(Scope::Read)).with(b"filter"),
            Question::new("users", tenant, rights(Scope::Read))
                .with(b"filteror")
                .with(b"der"),
        ] {
            assert_eq!(tokens.open::<i32>(&other, &token), Err(PageTokenError::Invalid));
        }
    }

    #[test]
    fn one_flipped_bit_anywhere_is_noticed() {
        let tokens = PageTokens::for_tests();
        let question = Question::new("tenants", None, Scopes::OPERATOR);
        let whole = URL_SAFE_NO_PAD.decode(tokens.seal(&question, &"acme")).unwrap();

        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            let text = URL_SAFE_NO_PAD.encode(damaged);
            assert_eq!(
                tokens.open::<String>(&question, &text),
                Err(PageTokenError::Invalid),
                "byte {at}"
            );
        }
        for bad in [
            "",
            "A",
            "AAAA",
            "****",
            &URL_SAFE_NO_PAD.encode(&whole[..20]),
            &"A".repeat(MOST_TEXT_BYTES + 1),
        ] {
            assert_eq!(tokens.open::<String>(&question, bad), Err(PageTokenError::Invalid));
        }
    }

    #[test]
    fn every_replica_with_the_keyring_reads_it_and_a_removed_key_does_not() {
        let tokens = |keys: &[[u8; 32]]| PageTokens::new(Keyring::fixed(keys), Clock::system());
        let question = Question::new("tenants", None, Scopes::OPERATOR);
        let token = tokens(&[[1; 32]]).seal(&question, &5);

        let same = tokens(&[[1; 32]]);
        let rotated = tokens(&[[2; 32], [1; 32]]);
        let removed = tokens(&[[2; 32]]);

        assert_eq!(same.open(&question, &token), Ok(5));
        assert_eq!(rotated.open(&question, &token), Ok(5));
        assert_eq!(removed.open::<i32>(&question, &token), Err(PageTokenError::Invalid));
        let newest = rotated.seal(&question, &6);
        assert_eq!(removed.open(&question, &newest), Ok(6), "the newest key seals");
        assert_eq!(same.open::<i32>(&question, &newest), Err(PageTokenError::Invalid));
    }

    #[test]
    fn a_keyring_that_is_replaced_is_used_and_its_old_key_still_reads() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keyring");
        let write = |text: &str| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        let (old, new) = ("01".repeat(32), "02".repeat(32));
        write(&old);
        let keyring = Keyring::open(file.clone()).unwrap();
        let tokens = PageTokens::new(keyring.clone(), Clock::system());
        let question = Question::new("tenants", None, Scopes::OPERATOR);
        let before = tokens.seal(&question, &5);

        write(&format!("{new}\n{old}\n"));
        keyring.look();
        let after = tokens.seal(&question, &6);

        assert_eq!(tokens.open(&question, &before), Ok(5));
        assert_eq!(tokens.open(&question, &after), Ok(6));
        let alone = |key: u8| PageTokens::new(Keyring::fixed(&[[key; 32]]), Clock::system());
        assert_eq!(alone(2).open(&question, &after), Ok(6), "the new key seals");

        write("no key");
        keyring.look();
        assert_eq!(
            tokens.open(&question, &after),
            Ok(6),
            "what cannot be used changes nothing"
        );
    }

    #[test]
    fn a_token_is_good_for_an_hour_and_not_a_moment_longer() {
        let clock = ManualClock::at(T0);
        let tokens = PageTokens::new(Keyring::fixed(&[[1; 32]]), clock.clock());
        let question = Question::new("users", None, Scopes::OPERATOR);
        let token = tokens.seal(&question, &5);

        clock.advance_us(HOUR_US);
        assert_eq!(tokens.open(&question, &token), Ok(5));
        let fresh = tokens.seal(&question, &6);
        clock.advance_us(1);

        assert_eq!(tokens.open::<i32>(&question, &token), Err(PageTokenError::Expired));
        assert_eq!(
            tokens.open(&question, &fresh),
            Ok(6),
            "each page has a token of its own"
        );
        let other = Question::new("groups", None, Scopes::OPERATOR);
        assert_eq!(
            tokens.open::<i32>(&other, &token),
            Err(PageTokenError::Invalid),
            "how old it is, only its own question learns"
        );
    }

    #[test]
    fn clocks_of_replicas_may_be_five_minutes_apart() {
        let clock = ManualClock::at(T0);
        let tokens = PageTokens::new(Keyring::fixed(&[[1; 32]]), clock.clock());
        let question = Question::new("users", None, Scopes::OPERATOR);
        let token = tokens.seal(&question, &5);

        clock.advance_us(-CLOCK_SKEW_US);
        assert_eq!(tokens.open(&question, &token), Ok(5));
        clock.advance_us(-1);

        assert_eq!(tokens.open::<i32>(&question, &token), Err(PageTokenError::Expired));
    }
}

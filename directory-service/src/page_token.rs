//! Page tokens: where a list goes on, encrypted because a position holds names, and bound to the question it answers.
//!
//! A token is `key id, nonce, ciphertext and tag` in URL-safe base64, by AES-256-GCM. What it is bound to (tenant,
//! caller's rights, list, filter, order) is authenticated with it and not in it. Any replica with the keyring opens it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::domain::id::TenantId;
use crate::domain::token::Scopes;
use crate::keyring::{Keyring, Purpose};

const KEY_ID_BYTES: usize = 4;
/// A position holds one key, of a text of 65,536 bytes at most: folded and as JSON several times as long.
const MOST_TEXT_BYTES: usize = 1024 * 1024;

/// The token is damaged, or was made for another tenant, caller, list, filter or order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the page token does not belong to this request; start again with the first page")]
pub struct InvalidPageToken;

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
    keys: Arc<[([u8; KEY_ID_BYTES], LessSafeKey)]>,
}

impl PageTokens {
    /// Page tokens under this keyring: the newest key makes them, every key reads them.
    pub fn new(keyring: &Keyring) -> Self {
        let keys = keyring.subkeys(Purpose::PageTokens).into_iter().map(|subkey| {
            let key = UnboundKey::new(&AES_256_GCM, &subkey.bytes).expect("a subkey has the length of an AES-256 key");
            (subkey.id, LessSafeKey::new(key))
        });
        Self { keys: keys.collect() }
    }

    /// The token that goes on after `position` when the same question is asked.
    pub fn seal<T: Serialize>(&self, question: &Question, position: &T) -> String {
        let (id, key) = self.keys.first().expect("a keyring holds at least one key");
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .expect("the system's random source answers once it is seeded");
        let mut sealed = serde_json::to_vec(position).expect("a position is plain data");
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(question.digest()),
            &mut sealed,
        )
        .expect("a position is far shorter than AES-GCM's limit");
        URL_SAFE_NO_PAD.encode([&id[..], &nonce, &sealed].concat())
    }

    /// The position in a token.
    ///
    /// # Errors
    /// [`InvalidPageToken`]: damaged, or another question's.
    pub fn open<T: DeserializeOwned>(&self, question: &Question, token: &str) -> Result<T, InvalidPageToken> {
        if token.len() > MOST_TEXT_BYTES {
            return Err(InvalidPageToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidPageToken)?;
        let (id, rest) = bytes.split_at_checked(KEY_ID_BYTES).ok_or(InvalidPageToken)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(InvalidPageToken)?;
        let (_, key) = self
            .keys
            .iter()
            .find(|(known, _)| known == id)
            .ok_or(InvalidPageToken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| InvalidPageToken)?;
        let mut sealed = sealed.to_vec();
        let plain = key
            .open_in_place(nonce, Aad::from(question.digest()), &mut sealed)
            .map_err(|_| InvalidPageToken)?;
        serde_json::from_slice(plain).map_err(|_| InvalidPageToken)
    }

    /// The position in a token; none for the first page, which has no token.
    ///
    /// # Errors
    /// [`InvalidPageToken`]: damaged, or another question's.
    pub fn open_if_any<T: DeserializeOwned>(
        &self,
        question: &Question,
        token: &str,
    ) -> Result<Option<T>, InvalidPageToken> {
        if token.is_empty() {
            Ok(None)
        } else {
            self.open(question, token).map(Some)
        }
    }

    /// Page tokens under a key of tests.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::new(&Keyring::of(&[[42; 32]]))
    }
}

impl std::fmt::Debug for PageTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageTokens")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fold;
    use crate::domain::page::{PageKey, PagePosition};
    use crate::domain::text::MAX_TEXT_BYTES;
    use crate::domain::token::Scope;

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
            let position = PagePosition {
                key: Some(PageKey::Text(longest)),
                id: uuid::Uuid::now_v7(),
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
            assert_eq!(tokens.open::<i32>(&other, &token), Err(InvalidPageToken));
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
                Err(InvalidPageToken),
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
            assert_eq!(tokens.open::<String>(&question, bad), Err(InvalidPageToken));
        }
    }

    #[test]
    fn a_rotated_key_still_reads_and_a_removed_one_does_not() {
        let question = Question::new("tenants", None, Scopes::OPERATOR);
        let token = PageTokens::new(&Keyring::of(&[[1; 32]])).seal(&question, &5);

        let rotated = PageTokens::new(&Keyring::of(&[[2; 32], [1; 32]]));
        let removed = PageTokens::new(&Keyring::of(&[[2; 32]]));

        assert_eq!(rotated.open(&question, &token), Ok(5));
        assert_eq!(removed.open::<i32>(&question, &token), Err(InvalidPageToken));
    }
}

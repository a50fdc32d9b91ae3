//! Bearer tokens: how one is spelled, what it may do, and what is kept of it.
//!
//! A token reads `rc_<id>_<secret><checksum>` in base62. The id is public and says which row to look at; the secret
//! holds 256 random bits; the checksum tells a mistyped or cut token from an unknown one without asking the database.

use std::fmt;
use std::str::FromStr;

use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use super::Invalid;
use super::id::TenantId;
use super::tenant::{DisplayName, ProvisioningSource, Tenant};

const PREFIX: &str = "rc_";
/// In the order of the bytes, so that ids sort as they were made.
const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 22;
const SECRET_BYTES: usize = 32;
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
const TEXT_LENGTH: usize = PREFIX.len() + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;

/// The public part of a token: a UUIDv7 in 22 base62 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(Uuid);

impl TokenId {
    /// A new id.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id as it stands in change records.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base62(self.0.as_bytes(), ID_LENGTH))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenId({self})")
    }
}

impl FromStr for TokenId {
    type Err = MalformedToken;

    fn from_str(text: &str) -> Result<Self, MalformedToken> {
        if text.len() != ID_LENGTH {
            return Err(MalformedToken);
        }
        let number = text.bytes().try_fold(0_u128, |number, byte| {
            let digit = BASE62.bytes().position(|known| known == byte)?;
            number.checked_mul(62)?.checked_add(digit as u128)
        });
        number.map(|number| Self(Uuid::from_u128(number))).ok_or(MalformedToken)
    }
}

/// The text is no token: wrong shape or wrong checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token")]
pub struct MalformedToken;

/// A whole token, as its holder sends it.
#[derive(Clone)]
pub struct TokenText {
    id: TokenId,
    text: SecretString,
}

impl TokenText {
    /// A new token of 256 random bits.
    pub fn generate() -> Self {
        let mut secret = [0_u8; SECRET_BYTES];
        SystemRandom::new()
            .fill(&mut secret)
            .expect("the system's random source answers once it is seeded");
        Self::assemble(TokenId::generate(), &secret)
    }

    fn assemble(id: TokenId, secret: &[u8; SECRET_BYTES]) -> Self {
        let mut text = format!("{PREFIX}{id}_{}", base62(secret, SECRET_LENGTH));
        let checksum = checksum(&text);
        text.push_str(&checksum);
        Self { id, text: text.into() }
    }

    /// Reads a token without asking anybody.
    ///
    /// # Errors
    /// [`MalformedToken`]: it was never issued.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        if text.len() != TEXT_LENGTH || !text.is_ascii() {
            return Err(MalformedToken);
        }
        let (body, claimed) = text.split_at(TEXT_LENGTH - CHECKSUM_LENGTH);
        let (id, secret) = body
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('_'))
            .ok_or(MalformedToken)?;
        if !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) || checksum(body) != claimed {
            return Err(MalformedToken);
        }
        Ok(Self {
            id: id.parse()?,
            text: text.to_owned().into(),
        })
    }

    /// Which row holds what is kept of the token.
    pub fn id(&self) -> TokenId {
        self.id
    }

    /// What is kept of the token.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.text.expose_secret().as_bytes()).into())
    }

    /// The token, to hand to its holder.
    pub fn into_secret(self) -> SecretString {
        self.text
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenText({}, <redacted>)", self.id)
    }
}

fn checksum(body: &str) -> String {
    base62(&crc32fast::hash(body.as_bytes()).to_be_bytes(), CHECKSUM_LENGTH)
}

/// The number that `bytes` spell, in exactly `width` base62 digits.
fn base62(bytes: &[u8], width: usize) -> String {
    let digits = base_x::encode(BASE62, bytes);
    format!("{:0>width$}", digits.trim_start_matches('0'))
}

/// SHA-256 of a token, compared in constant time.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The bytes to keep.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `stored` is this hash; takes as long whatever the answer.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.0.ct_eq(stored).into()
    }
}

/// One thing that a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Write users and groups of the tenant. Includes [`Scope::Read`].
    Provision,
    /// Read the tenant.
    Read,
    /// Redeem activation codes.
    Activate,
    /// Settings, tokens and blocks of the tenant. Includes [`Scope::Read`].
    Admin,
    /// Tenants and, in a tenant named per call, what [`Scope::Admin`] may.
    Operator,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [Self::Provision, Self::Read, Self::Activate, Self::Admin, Self::Operator];

    /// The scope's name in error metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Provision => "provision",
            Self::Read => "read",
            Self::Activate => "activate",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }

    fn bit(self) -> i32 {
        match self {
            Self::Provision => 1,
            Self::Read => 2,
            Self::Activate => 4,
            Self::Admin => 8,
            Self::Operator => 16,
        }
    }
}

/// The scopes that a token was issued with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(i32);

impl Scopes {
    /// The operator's scope and nothing else.
    pub const OPERATOR: Self = Self(16);

    /// Reads the store's bit mask.
    pub(crate) fn from_bits(bits: i32) -> Self {
        Self(bits)
    }

    /// The store's bit mask.
    pub fn bits(self) -> i32 {
        self.0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `scope` was named at issue.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether `scope` was named at issue or is included in one that was. An operator may, in the tenant it names,
    /// what `admin` may.
    pub fn allow(self, scope: Scope) -> bool {
        match scope {
            Scope::Read => [Scope::Read, Scope::Provision, Scope::Admin, Scope::Operator]
                .iter()
                .any(|s| self.contains(*s)),
            Scope::Admin => self.contains(Scope::Admin) || self.contains(Scope::Operator),
            Scope::Provision | Scope::Activate | Scope::Operator => self.contains(scope),
        }
    }

    /// The first of `wanted` that a holder of these scopes may not hand on; operators may hand on any.
    pub fn missing_to_issue(self, wanted: Self) -> Option<Scope> {
        wanted
            .iter()
            .find(|scope| !self.contains(Scope::Operator) && !self.allow(*scope))
    }

    /// The scopes named at issue.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The public part.
    pub id: TokenId,
    /// The tenant it belongs to; an operator's token belongs to none.
    pub tenant: Option<TenantId>,
    /// What it is for.
    pub name: DisplayName,
    /// What it may do.
    pub scopes: Scopes,
    /// The provisioning source that the holder speaks for.
    pub source: Option<ProvisioningSource>,
    /// When it was issued: microseconds since 1970, UTC.
    pub created_us: i64,
    /// When it stops to be valid.
    pub expires_us: Option<i64>,
    /// When it was last used, exact to a minute.
    pub last_used_us: Option<i64>,
}

impl Token {
    /// Whether it is past its expiry.
    pub fn is_expired(&self, now_us: i64) -> bool {
        self.expires_us.is_some_and(|expires| expires <= now_us)
    }
}

/// A token that was checked, and whose it is.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    /// The token.
    pub token: Token,
    /// The tenant that it belongs to.
    pub tenant: Option<Tenant>,
}

/// A token to issue.
#[derive(Clone, Debug)]
pub struct NewToken {
    name: DisplayName,
    scopes: Scopes,
    source: Option<ProvisioningSource>,
    expires_us: Option<i64>,
}

impl NewToken {
    /// Checks what belongs together: a source is required with `provision`, and allowed with nothing else.
    ///
    /// # Errors
    /// [`Invalid`] naming the field.
    pub fn new(
        name: DisplayName,
        scopes: Scopes,
        source: Option<ProvisioningSource>,
        expires_us: Option<i64>,
    ) -> Result<Self, Invalid> {
        if scopes.is_empty() {
            return Err(Invalid::new("token.scopes", "must name at least one scope"));
        }
        if scopes.contains(Scope::Operator) && scopes != Scopes::OPERATOR {
            return Err(Invalid::new("token.scopes", "an operator token has no other scope"));
        }
        match (scopes.contains(Scope::Provision), &source) {
            (true, None) => Err(Invalid::new("token.source", "is required with scope provision")),
            (false, Some(_)) => Err(Invalid::new("token.source", "is only for tokens of scope provision")),
            (true, Some(_)) | (false, None) => Ok(Self {
                name,
                scopes,
                source,
                expires_us,
            }),
        }
    }

    /// What it may do.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// When it stops to be valid.
    pub fn expires_us(&self) -> Option<i64> {
        self.expires_us
    }

    /// The token that this becomes.
    pub fn issue(self, id: TokenId, tenant: Option<TenantId>, now_us: i64) -> Token {
        let Self {
            name,
            scopes,
            source,
            expires_us,
        } = self;
        Token {
            id,
            tenant,
            name,
            scopes,
            source,
            created_us: now_us,
            expires_us,
            last_used_us: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_token_reads_back_as_it_was_written() {
        let token = TokenText::generate();
        let text = token.clone().into_secret();

        let read = TokenText::parse(text.expose_secret()).expect("a fresh token is well formed");

        assert_eq!(text.expose_secret().len(), TEXT_LENGTH);
        assert_eq!(read.id(), token.id());
        assert!(read.hash().matches(token.hash().as_bytes()));
        assert!(!format!("{read:?}").contains(&text.expose_secret()[27..]));
    }

    #[test]
    fn small_numbers_keep_the_width() {
        let token = TokenText::assemble(TokenId(Uuid::nil()), &[0; SECRET_BYTES]);
        let greatest = TokenText::assemble(TokenId(Uuid::max()), &[255; SECRET_BYTES]);

        let text = token.into_secret();
        assert_eq!(&text.expose_secret()[..26], "rc_0000000000000000000000_");
        for text in [&text, &greatest.into_secret()] {
            assert_eq!(text.expose_secret().len(), TEXT_LENGTH);
            assert!(TokenText::parse(text.expose_secret()).is_ok());
        }
    }

    #[test]
    fn one_wrong_character_anywhere_is_noticed() {
        let text = TokenText::generate().into_secret();
        let text = text.expose_secret();
        for at in 0..text.len() {
            let other = if &text[at..=at] == "x" { "y" } else { "x" };
            let damaged = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(TokenText::parse(&damaged).unwrap_err(), MalformedToken, "position {at}");
        }
        for bad in [
            "",
            "rc_",
            "rc__",
            "Bearer",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}0"),
            &"ä".repeat(37),
        ] {
            assert_eq!(TokenText::parse(bad).unwrap_err(), MalformedToken);
        }
    }

    #[test]
    fn ids_sort_as_they_were_made() {
        let (first, second) = (TokenId(Uuid::from_u128(61)), TokenId(Uuid::from_u128(62)));
        assert!(first.to_string() < second.to_string());
        assert_eq!("zzzzzzzzzzzzzzzzzzzzzz".parse::<TokenId>(), Err(MalformedToken));
    }

    #[rstest]
    #[case(&[Scope::Provision], &[Scope::Provision, Scope::Read])]
    #[case(&[Scope::Read], &[Scope::Read])]
    #[case(&[Scope::Activate], &[Scope::Activate])]
    #[case(&[Scope::Admin], &[Scope::Read, Scope::Admin])]
    #[case(&[Scope::Operator], &[Scope::Read, Scope::Admin, Scope::Operator])]
    #[case(&[Scope::Provision, Scope::Admin], &[Scope::Provision, Scope::Read, Scope::Admin])]
    #[case(&[], &[])]
    fn scopes_allow_what_they_include_and_nothing_else(#[case] issued: &[Scope], #[case] allowed: &[Scope]) {
        let scopes: Scopes = issued.iter().copied().collect();

        let allows: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| scopes.allow(*scope)).collect();

        assert_eq!(allows, allowed);
    }

    #[rstest]
    #[case(&[Scope::Admin], &[Scope::Admin, Scope::Read], None)]
    #[case(&[Scope::Admin], &[Scope::Provision], Some(Scope::Provision))]
    #[case(&[Scope::Admin], &[Scope::Activate], Some(Scope::Activate))]
    #[case(&[Scope::Admin], &[Scope::Operator], Some(Scope::Operator))]
    #[case(&[Scope::Admin, Scope::Provision], &[Scope::Provision], None)]
    #[case(&[Scope::Operator], &[Scope::Provision, Scope::Admin], None)]
    #[case(&[Scope::Operator], &[Scope::Operator], None)]
    fn a_token_hands_on_only_what_it_holds(
        #[case] holder: &[Scope],
        #[case] wanted: &[Scope],
        #[case] missing: Option<Scope>,
    ) {
        let holder: Scopes = holder.iter().copied().collect();

        assert_eq!(holder.missing_to_issue(wanted.iter().copied().collect()), missing);
    }

    #[rstest]
    #[case(&[], None, Some("token.scopes"))]
    #[case(&[Scope::Operator, Scope::Read], None, Some("token.scopes"))]
    #[case(&[Scope::Provision], None, Some("token.source"))]
    #[case(&[Scope::Read], Some("entra"), Some("token.source"))]
    #[case(&[Scope::Provision], Some("entra"), None)]
    #[case(&[Scope::Admin], None, None)]
    fn scopes_and_source_belong_together(
        #[case] scopes: &[Scope],
        #[case] source: Option<&str>,
        #[case] refused: Option<&str>,
    ) {
        let name = DisplayName::parse("token.name", "a token").expect("a name");
        let source = source.map(|source| ProvisioningSource::parse("token.source", source).expect("a source"));

        let new = NewToken::new(name, scopes.iter().copied().collect(), source, None);

        assert_eq!(
            new.err().map(|invalid| invalid.field().to_owned()),
            refused.map(str::to_owned)
        );
    }
}

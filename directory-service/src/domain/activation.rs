//! Activation: the proof, by a mailed code, that a user belongs to a person. It is independent of blocks.

/// How far the activation of a user is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActivationStatus {
    /// No code is on its way or good.
    #[default]
    NotActivated,
    /// A code is queued or was mailed.
    Pending,
    /// A code was redeemed.
    Activated,
}

impl ActivationStatus {
    /// The number that stands in rows; never reused.
    pub const fn number(self) -> i16 {
        match self {
            Self::NotActivated => 1,
            Self::Pending => 2,
            Self::Activated => 3,
        }
    }

    /// The status of a row.
    pub const fn from_number(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::NotActivated),
            2 => Some(Self::Pending),
            3 => Some(Self::Activated),
            _ => None,
        }
    }
}

/// Whether a user gets a code by mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActivationMail {
    /// No.
    #[default]
    NotWanted,
    /// As soon as the user is not blocked and has an address.
    Due,
    /// It was queued.
    Queued,
}

impl ActivationMail {
    /// The number that stands in rows; never reused.
    pub const fn number(self) -> i16 {
        match self {
            Self::NotWanted => 1,
            Self::Due => 2,
            Self::Queued => 3,
        }
    }

    /// The state of a row.
    pub const fn from_number(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::NotWanted),
            2 => Some(Self::Due),
            3 => Some(Self::Queued),
            _ => None,
        }
    }
}

/// After so many wrong codes in a row none is looked at for a while.
const WRONG_CODES_PAUSE: i32 = 5;
/// For so long.
const PAUSE_US: i64 = 15 * 60 * 1_000_000;
/// After so many wrong codes the right one is void.
const WRONG_CODES_VOID: i32 = 20;
/// A code is mailed again to one user at most once in this time.
pub const RESEND_INTERVAL_US: i64 = 60 * 1_000_000;

/// The activation of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activation {
    /// How far it is.
    pub status: ActivationStatus,
    /// Whether the user gets a code by mail.
    pub mail: ActivationMail,
    /// Which code is the good one: each is derived from its number, and a new number voids the one before.
    pub code_number: i64,
    /// Until when the code is good: microseconds since 1970, UTC. None until a mail server accepted the mail.
    pub expires_us: Option<i64>,
    /// When a code was redeemed.
    pub activated_us: Option<i64>,
    /// How many wrong codes were tried.
    pub wrong_codes: i32,
    /// Until when no code is looked at.
    pub paused_until_us: Option<i64>,
    /// When a code was last asked for by [`Activation::ask_for_mail`].
    pub asked_us: Option<i64>,
}

impl Activation {
    /// What a new user begins with.
    pub fn at_creation(mail_wanted: bool) -> Self {
        let mut activation = Self::default();
        if mail_wanted {
            activation.begin();
        }
        activation
    }

    /// Begins again with a new code, whose mail is due. The code before is void.
    fn begin(&mut self) {
        *self = Self {
            status: ActivationStatus::NotActivated,
            mail: ActivationMail::Due,
            code_number: self.code_number + 1,
            asked_us: self.asked_us,
            ..Self::default()
        };
    }

    /// The mail that is due is queued. Says whether it was due.
    pub fn queue(&mut self) -> bool {
        if self.mail != ActivationMail::Due {
            return false;
        }
        self.mail = ActivationMail::Queued;
        self.status = ActivationStatus::Pending;
        true
    }

    /// The mail was to be sent and could not, as the user is blocked or has no address: it is due again, with its code.
    pub fn put_off(&mut self) {
        if self.mail == ActivationMail::Queued && self.status == ActivationStatus::Pending {
            self.mail = ActivationMail::Due;
            self.status = ActivationStatus::NotActivated;
            self.expires_us = None;
        }
    }

    /// The address changed: what was mailed to the one before must not be good any more. A mail that is due may have been put
    /// off after a server took it and the answer was lost.
    pub fn address_changed(&mut self) {
        if self.status == ActivationStatus::Pending || self.mail == ActivationMail::Due {
            self.begin();
        }
    }

    /// Somebody asks for a code to be mailed.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn ask_for_mail(&mut self, now_us: i64) -> Result<(), Refused> {
        if self.status == ActivationStatus::Activated {
            return Err(Refused::Activated);
        }
        let again_us = self
            .asked_us
            .map_or(i64::MIN, |asked| asked.saturating_add(RESEND_INTERVAL_US));
        if now_us < again_us {
            return Err(Refused::TooSoon {
                wait_us: again_us - now_us,
            });
        }
        self.begin();
        self.asked_us = Some(now_us);
        Ok(())
    }

    /// A mail server accepted the mail of the code of this number. The first time counts.
    pub fn delivered(&mut self, code_number: i64, good_until_us: i64) {
        if self.status == ActivationStatus::Pending && self.code_number == code_number {
            self.expires_us.get_or_insert(good_until_us);
        }
    }

    /// Whether a code can be redeemed at all.
    pub fn takes_codes(&self, now_us: i64) -> bool {
        self.status == ActivationStatus::Pending
            && self.expires_us.is_none_or(|until| now_us < until)
            && self.paused_until_us.is_none_or(|until| until <= now_us)
    }

    /// A wrong code was tried.
    pub fn wrong_code(&mut self, now_us: i64) {
        self.wrong_codes += 1;
        if self.wrong_codes >= WRONG_CODES_VOID {
            self.end();
        } else if self.wrong_codes % WRONG_CODES_PAUSE == 0 {
            self.paused_until_us = Some(now_us + PAUSE_US);
        }
    }

    /// The right code was tried.
    pub fn redeem(&mut self, now_us: i64) {
        self.end();
        self.status = ActivationStatus::Activated;
        self.activated_us = Some(now_us);
    }

    /// The code is not good any more.
    pub fn end(&mut self) {
        self.status = ActivationStatus::NotActivated;
        self.expires_us = None;
        self.paused_until_us = None;
    }
}

/// Why no code is mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The user is activated.
    Activated,
    /// One was asked for a moment ago.
    TooSoon {
        /// How long to wait, in microseconds.
        wait_us: i64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * 1_000_000;

    fn pending() -> Activation {
        let mut activation = Activation::at_creation(true);
        assert!(activation.queue());
        activation
    }

    #[test]
    fn a_mail_is_queued_once_and_only_if_it_is_due() {
        let mut unwanted = Activation::at_creation(false);
        assert!(!unwanted.queue());
        assert_eq!(unwanted, Activation::default());

        let mut wanted = Activation::at_creation(true);
        assert_eq!(
            (wanted.mail, wanted.status),
            (ActivationMail::Due, ActivationStatus::NotActivated)
        );
        assert!(wanted.queue());
        assert!(!wanted.queue());
        assert_eq!(
            (wanted.mail, wanted.status),
            (ActivationMail::Queued, ActivationStatus::Pending)
        );
    }

    #[test]
    fn five_wrong_codes_pause_and_twenty_void() {
        let mut activation = pending();
        let mut now = 0;

        for round in 1..=3 {
            for _ in 0..5 {
                assert!(activation.takes_codes(now), "round {round}");
                activation.wrong_code(now);
            }
            assert!(
                !activation.takes_codes(now + 15 * MINUTE - 1),
                "paused in round {round}"
            );
            now += 15 * MINUTE;
            assert!(activation.takes_codes(now));
        }
        for _ in 0..5 {
            activation.wrong_code(now);
        }

        assert_eq!(
            (activation.status, activation.wrong_codes),
            (ActivationStatus::NotActivated, 20)
        );
        assert!(!activation.takes_codes(i64::MAX));
    }

    #[test]
    fn a_code_is_good_from_the_first_delivery_until_it_expires_and_once() {
        let mut activation = pending();
        assert!(
            activation.takes_codes(i64::MAX),
            "a mail may be accepted and its answer lost"
        );

        activation.delivered(1, 100);
        activation.delivered(1, 200);

        assert!(activation.takes_codes(99) && !activation.takes_codes(100));
        activation.redeem(50);
        assert!(!activation.takes_codes(51));
        assert_eq!(
            (activation.status, activation.activated_us),
            (ActivationStatus::Activated, Some(50))
        );
    }

    #[test]
    fn a_new_code_voids_the_one_before_and_forgets_its_wrong_tries() {
        let mut activation = pending();
        activation.delivered(1, 100);
        activation.wrong_code(0);

        activation.address_changed();

        assert_eq!((activation.code_number, activation.mail), (2, ActivationMail::Due));
        assert_eq!((activation.wrong_codes, activation.expires_us), (0, None));
        activation.queue();
        activation.delivered(1, 100);
        assert_eq!(activation.expires_us, None, "that was the mail of the void code");
    }

    #[test]
    fn a_mail_that_is_put_off_keeps_its_code() {
        let mut activation = pending();

        activation.put_off();
        assert_eq!(activation, Activation::at_creation(true));
        assert!(activation.queue());
        assert_eq!(activation, pending());
    }

    #[test]
    fn a_code_that_was_put_off_is_void_when_the_address_changes() {
        let mut activation = pending();
        activation.put_off(); // blocked, after the answer to the mail was lost

        activation.address_changed();
        assert!(activation.queue());

        assert_eq!(activation.code_number, pending().code_number + 1);
    }

    #[test]
    fn codes_are_asked_for_once_a_minute_and_not_after_activation() {
        let mut activation = pending();

        assert_eq!(activation.ask_for_mail(MINUTE), Ok(()));
        assert_eq!(
            activation.ask_for_mail(2 * MINUTE - 1),
            Err(Refused::TooSoon { wait_us: 1 })
        );
        assert_eq!(activation.ask_for_mail(2 * MINUTE), Ok(()));
        assert_eq!(activation.code_number, 3);

        activation.queue();
        activation.redeem(3 * MINUTE);
        assert_eq!(activation.ask_for_mail(9 * MINUTE), Err(Refused::Activated));
        let activated = activation.clone();
        activation.address_changed();
        assert_eq!(activation, activated);
    }
}

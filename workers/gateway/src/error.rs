//! Every error a client can see: the only place with status codes.

use actors::ask::Fault;
use domain::{event::Problem, refusal::Refusal};
use serde_json::{Value, json};

macro_rules! codes {
    ($($name:ident $code:literal $status:literal $title:literal $message:literal;)*) => {
        /// A stable code of the public contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $title] $name,)* }

        impl Code {
            /// Every code, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is written in answers.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Its HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What it is, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What happened and what a person can do, where a request tells nothing more precise.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

codes! {
    InvalidRequest "INVALID_REQUEST" 400 "The request is not valid"
        "The request could not be read. Correct the field named in the details and send it again.";
    InvalidIdempotencyKey "INVALID_IDEMPOTENCY_KEY" 400 "The Idempotency-Key is malformed"
        "Send an Idempotency-Key of 1 to 255 visible ASCII characters, for example a UUID.";
    IdempotencyRequired "IDEMPOTENCY_REQUIRED" 400 "An Idempotency-Key is needed"
        "Send an Idempotency-Key header with this call; a repetition with the same key has no second effect.";
    MissingToken "MISSING_TOKEN" 400 "The waiting token is missing"
        "Send the waiting token that joining the queue gave you.";

    Unauthenticated "UNAUTHENTICATED" 401 "You are not signed in"
        "Your sign-in is missing or has expired. Sign in and try again.";
    InvalidCredentials "INVALID_CREDENTIALS" 401 "User name or password is wrong"
        "User name or password is wrong.";
    InvalidSignature "INVALID_SIGNATURE" 401 "The webhook signature is not valid"
        "The signature does not match the body, or the timestamp is more than five minutes off.";

    Forbidden "FORBIDDEN" 403 "This is not yours"
        "This belongs to someone else, or needs rights that you do not have.";
    NotReady "NOT_READY" 403 "It is not your turn yet"
        "It is not your turn yet. Keep waiting; your place is safe.";
    NotAdmitted "NOT_ADMITTED" 403 "You have not been let in"
        "Your time to choose seats is over or has not begun. Join the queue of this event again.";

    NotFound "NOT_FOUND" 404 "There is nothing here"
        "There is nothing at this address.";
    EventNotFound "EVENT_NOT_FOUND" 404 "There is no such event"
        "There is no such event. Choose one from the list of events.";
    TokenNotFound "TOKEN_NOT_FOUND" 404 "The waiting token is not known"
        "This waiting token was not issued here. Join the queue again.";
    SeatNotFound "SEAT_NOT_FOUND" 404 "There is no such seat"
        "The event has no such seat. Load the seat map again.";
    ReservationNotFound "RESERVATION_NOT_FOUND" 404 "There is no such reservation"
        "There is no such reservation.";
    PaymentNotFound "PAYMENT_NOT_FOUND" 404 "There is no such payment"
        "There is no such payment.";
    OrderNotFound "ORDER_NOT_FOUND" 404 "There is no such order"
        "There is no such order.";

    MethodNotAllowed "METHOD_NOT_ALLOWED" 405 "The method is not supported here"
        "This address does not support the method; the Allow header names those it does.";
    PayloadTooLarge "PAYLOAD_TOO_LARGE" 413 "The request is too large"
        "The body of a request may have at most 64 KiB.";
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" 415 "The content type is not supported"
        "Send the body as application/json.";

    SeatTaken "SEAT_TAKEN" 409 "The seat is taken"
        "A seat you chose is no longer available. Choose another one.";
    SoldOut "SOLD_OUT" 409 "Sold out"
        "Not enough seats are left. Some may come back when holds run out.";
    IdempotencyConflict "IDEMPOTENCY_CONFLICT" 409 "The Idempotency-Key was used for another request"
        "This Idempotency-Key was used for another request. Use a new key.";
    ReservationExpired "RESERVATION_EXPIRED" 409 "The reservation has expired"
        "The time to pay is over and the seats were released. Choose seats again.";
    ReservationNotHeld "RESERVATION_NOT_HELD" 409 "The reservation is no longer held"
        "The reservation was already confirmed, cancelled or refunded.";
    ReservationLimit "RESERVATION_LIMIT" 409 "No more seats for you"
        "You already hold or own as many seats as you may. Pay for or cancel what you hold first.";
    PaymentConflict "PAYMENT_CONFLICT" 409 "Another payment is open"
        "Another payment for this reservation is open. Finish or cancel it first.";
    UsernameExists "USERNAME_EXISTS" 409 "The user name is taken"
        "This user name is taken. Choose another one.";
    EventHasSales "EVENT_HAS_SALES" 409 "The event has sales"
        "The change would remove seats that are held or sold.";
    SaleNotOpen "SALE_NOT_OPEN" 409 "The sale has not begun"
        "The sale has not begun. Come back when it opens.";
    SaleClosed "SALE_CLOSED" 409 "The sale is over"
        "The sale of this event is over.";
    TokenExpired "TOKEN_EXPIRED" 409 "The place in the queue is over"
        "This place was left, has lapsed, or its time is over. Join the queue again.";

    PaymentNotApproved "PAYMENT_NOT_APPROVED" 412 "The payment is not approved"
        "The payment has not been approved. Wait for it or pay again.";
    AmountMismatch "AMOUNT_MISMATCH" 422 "Amount or currency does not match"
        "Amount and currency must be those of the reservation.";
    RateLimited "RATE_LIMITED" 429 "Too many requests"
        "Too many requests. Wait as long as Retry-After says and go on more slowly.";

    InternalError "INTERNAL_ERROR" 500 "Something is broken on our side"
        "Something went wrong on our side. Send the request again with the same key; it has one effect.";
    Overloaded "OVERLOADED" 503 "Too busy just now"
        "Too many people at once. Nothing is lost: try again in a moment with the same key.";
    Unavailable "UNAVAILABLE" 503 "Not available just now"
        "This is not available just now. Try again in a moment with the same key.";
    UpstreamTimeout "UPSTREAM_TIMEOUT" 504 "No answer in time"
        "There was no answer in time. Send the request again with the same key; it has one effect.";
}

impl Code {
    /// As it is written in addresses: `seat-taken`.
    #[must_use]
    pub fn slug(self) -> String {
        self.as_str().to_ascii_lowercase().replace('_', "-")
    }

    /// The code with this slug.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.slug() == slug)
    }
}

/// Waiting time that 429 and 503 recommend where nothing better is known, in seconds.
pub const RETRY_AFTER_SEC: u32 = 1;

/// Why a request is not carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    pub code: Code,
    /// One or two sentences for a person.
    pub message: String,
    /// A JSON object with what helps a program, or nothing.
    pub details: Option<Value>,
    /// Headers that go with it: `Allow`, `Retry-After`, `WWW-Authenticate`.
    pub headers: Vec<(&'static str, String)>,
    /// What is broken, for the log alone.
    pub cause: Option<String>,
}

impl ApiError {
    /// `code` with its own message.
    #[must_use]
    pub fn of(code: Code) -> Self {
        Self::new(code, code.message())
    }

    /// `code` with a message that tells more.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let headers = match code {
            Code::RateLimited | Code::Overloaded | Code::Unavailable => vec![("Retry-After", RETRY_AFTER_SEC.to_string())],
            Code::Unauthenticated => vec![("WWW-Authenticate", "Bearer".to_owned())],
            _ => Vec::new(),
        };
        Self { code, message: message.into(), details: None, headers, cause: None }
    }

    /// `INVALID_REQUEST` that names the field.
    #[must_use]
    pub fn invalid(field: impl Into<String>, problem: impl AsRef<str>) -> Self {
        let field = field.into();
        let problem = problem.as_ref();
        let message = if field.is_empty() { format!("The request {problem}") } else { format!("{field} {problem}") };
        Self::new(Code::InvalidRequest, message).with_details(json!({ "field": field, "problem": problem }))
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The same with a header of its own in place of the usual one.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(present, _)| *present != name);
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Self::of(code)
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::invalid(problem.field, problem.problem)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unconfigured => Self::of(Code::Unavailable),
            Refusal::IdempotencyConflict => Self::of(Code::IdempotencyConflict),
            Refusal::Overloaded => Self::of(Code::Overloaded),
            Refusal::Invalid { field, problem } => Self::invalid(field, problem),
            Refusal::SaleNotOpen { opens_at } => Self::new(Code::SaleNotOpen, format!("The sale opens at {}", opens_at.0))
                .with_details(json!({ "opens_at": opens_at })),
            Refusal::SaleClosed => Self::of(Code::SaleClosed),
            Refusal::SoldOut => Self::of(Code::SoldOut),
            Refusal::NotReady => Self::of(Code::NotReady),
            Refusal::TokenExpired => Self::of(Code::TokenExpired),
            Refusal::TokenNotFound => Self::of(Code::TokenNotFound),
            Refusal::NotAdmitted => Self::of(Code::NotAdmitted),
            Refusal::SeatTaken { seat_ids } => about_seats(Code::SeatTaken, seat_ids, "no longer available"),
            Refusal::SeatNotFound { seat_ids } => about_seats(Code::SeatNotFound, seat_ids, "not a seat of this event"),
            Refusal::ReservationLimit => Self::of(Code::ReservationLimit),
            Refusal::ReservationNotFound => Self::of(Code::ReservationNotFound),
            Refusal::ReservationExpired => Self::of(Code::ReservationExpired),
            Refusal::ReservationNotHeld => Self::of(Code::ReservationNotHeld),
            Refusal::OrderNotFound => Self::of(Code::OrderNotFound),
            Refusal::Forbidden => Self::of(Code::Forbidden),
            Refusal::PaymentNotFound => Self::of(Code::PaymentNotFound),
            Refusal::PaymentConflict => Self::of(Code::PaymentConflict),
            Refusal::PaymentNotApproved => Self::of(Code::PaymentNotApproved),
            Refusal::AmountMismatch => Self::of(Code::AmountMismatch),
            Refusal::EventHasSales { seat_ids } => Self::of(Code::EventHasSales).with_details(json!({ "seat_ids": seat_ids })),
        }
    }
}

fn about_seats(code: Code, seat_ids: Vec<String>, what: &str) -> ApiError {
    let message = match seat_ids.as_slice() {
        [] => code.message().to_owned(),
        [seat] => format!("Seat {seat} is {what}"),
        seats => format!("{} of the seats are {what}: {}", seats.len(), seats.join(", ")),
    };
    ApiError::new(code, message).with_details(json!({ "seat_ids": seat_ids }))
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let (code, cause) = match fault {
            Fault::Overloaded => (Code::Overloaded, None),
            Fault::Unavailable(cause) => (Code::Unavailable, Some(cause)),
            Fault::TimedOut => (Code::UpstreamTimeout, None),
            Fault::Broken(cause) => (Code::InternalError, Some(cause)),
        };
        Self { cause, ..Self::of(code) }
    }
}

/// A broken platform call. The cause is logged where the error is answered, never told.
impl From<worker::Error> for ApiError {
    fn from(error: worker::Error) -> Self {
        Self { cause: Some(error.to_string()), ..Self::of(Code::InternalError) }
    }
}

#[cfg(test)]
mod tests {
    use domain::time::{Millis, Timestamp};

    use super::*;

    #[test]
    fn every_code_has_the_status_of_the_contract() {
        let contract: &[(u16, &str)] = &[
            (400, "INVALID_REQUEST INVALID_IDEMPOTENCY_KEY IDEMPOTENCY_REQUIRED MISSING_TOKEN"),
            (401, "UNAUTHENTICATED INVALID_CREDENTIALS INVALID_SIGNATURE"),
            (403, "FORBIDDEN NOT_READY NOT_ADMITTED"),
            (404, "NOT_FOUND EVENT_NOT_FOUND TOKEN_NOT_FOUND SEAT_NOT_FOUND RESERVATION_NOT_FOUND PAYMENT_NOT_FOUND"),
            (404, "ORDER_NOT_FOUND"),
            (405, "METHOD_NOT_ALLOWED"),
            (413, "PAYLOAD_TOO_LARGE"),
            (415, "UNSUPPORTED_MEDIA_TYPE"),
            (409, "SEAT_TAKEN SOLD_OUT IDEMPOTENCY_CONFLICT RESERVATION_EXPIRED RESERVATION_NOT_HELD RESERVATION_LIMIT"),
            (409, "PAYMENT_CONFLICT USERNAME_EXISTS EVENT_HAS_SALES SALE_NOT_OPEN SALE_CLOSED TOKEN_EXPIRED"),
            (412, "PAYMENT_NOT_APPROVED"),
            (422, "AMOUNT_MISMATCH"),
            (429, "RATE_LIMITED"),
            (500, "INTERNAL_ERROR"),
            (503, "OVERLOADED UNAVAILABLE"),
            (504, "UPSTREAM_TIMEOUT"),
        ];
        let expected: Vec<_> =
            contract.iter().flat_map(|(status, codes)| codes.split(' ').map(move |code| (code, *status))).collect();
        assert_eq!(Code::ALL.len(), expected.len());
        for (code, status) in expected {
            let known = Code::ALL.iter().find(|known| known.as_str() == code);
            assert_eq!(known.map(|code| code.status()), Some(status), "{code}");
        }
    }

    #[test]
    fn every_code_has_a_page_of_its_own_and_tells_a_person_what_to_do() {
        for code in Code::ALL {
            assert_eq!(Code::from_slug(&code.slug()), Some(*code));
            assert!(code.message().ends_with('.') && !code.title().ends_with('.'), "{code:?}");
        }
        assert_eq!(Code::from_slug("SEAT_TAKEN"), None);
    }

    #[test]
    fn every_refusal_keeps_its_code() {
        let seats = || vec!["A-1-1".to_owned(), "A-1-2".to_owned()];
        let refusals = [
            Refusal::Unconfigured,
            Refusal::IdempotencyConflict,
            Refusal::Overloaded,
            Refusal::Invalid { field: "quantity".into(), problem: "must be at most 10".into() },
            Refusal::SaleNotOpen { opens_at: Timestamp(Millis(0)) },
            Refusal::SaleClosed,
            Refusal::SoldOut,
            Refusal::NotReady,
            Refusal::TokenExpired,
            Refusal::TokenNotFound,
            Refusal::NotAdmitted,
            Refusal::SeatTaken { seat_ids: seats() },
            Refusal::SeatNotFound { seat_ids: seats() },
            Refusal::ReservationLimit,
            Refusal::ReservationNotFound,
            Refusal::ReservationExpired,
            Refusal::ReservationNotHeld,
            Refusal::OrderNotFound,
            Refusal::Forbidden,
            Refusal::PaymentNotFound,
            Refusal::PaymentConflict,
            Refusal::PaymentNotApproved,
            Refusal::AmountMismatch,
            Refusal::EventHasSales { seat_ids: seats() },
        ];
        for refusal in refusals {
            let code = refusal.code();
            assert_eq!(ApiError::from(refusal).code.as_str(), code);
        }
    }

    #[test]
    fn details_help_where_there_is_something_to_tell() {
        let error = ApiError::from(Refusal::SaleNotOpen { opens_at: Timestamp(Millis(0)) });
        assert_eq!(error.details, Some(json!({ "opens_at": "1970-01-01T00:00:00.000Z" })));
        let error = ApiError::from(Refusal::Invalid { field: "quantity".into(), problem: "must be at most 10".into() });
        assert_eq!(error.details, Some(json!({ "field": "quantity", "problem": "must be at most 10" })));
        assert_eq!(error.message, "quantity must be at most 10");
    }

    #[test]
    fn whoever_should_come_back_is_told_when() {
        for code in [Code::RateLimited, Code::Overloaded, Code::Unavailable] {
            assert!(ApiError::of(code).headers.contains(&("Retry-After", "1".to_owned())));
        }
        let error = ApiError::of(Code::RateLimited).with_header("Retry-After", "7");
        assert_eq!(error.headers, [("Retry-After", "7".to_owned())]);
    }

    #[test]
    fn what_is_broken_is_for_the_log_alone() {
        let error = ApiError::from(Fault::Broken("SQLITE_CORRUPT".into()));
        assert_eq!(error.cause.as_deref(), Some("SQLITE_CORRUPT"));
        assert!(!error.message.contains("SQLITE"));
    }
}

//! Canonical events as Avro: the contract of `schemas/*.avsc`, in bytes.
//!
//! Pure. Domain types know nothing of Avro: they are converted by hand at this edge, and tests hold
//! both sides together. [`gate`] keeps released schemas readable. Publishing is not done here.

pub mod decode;
pub mod encode;
pub mod framing;
pub mod gate;
mod shape;
mod wire;

#[cfg(test)]
mod tests;

use apache_avro::Schema;

macro_rules! records {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A canonical record, named as its schema is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Record {
            $($(#[$doc])* $variant,)*
        }

        impl Record {
            /// All records.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name of the record and of its file below `schemas/`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The schema of this program version, as it stands in the file.
            #[must_use]
            pub const fn schema_text(self) -> &'static str {
                match self {
                    $(Self::$variant => include_str!(concat!("../../schemas/", $name, ".avsc")),)*
                }
            }
        }
    };
}

records! {
    /// One thing that happened to one order.
    Order = "OrderEvent",
    /// A day's totals.
    Statement = "CountStatement",
    /// 参保登记.
    Registration = "RegistrationEvent",
    /// A rider in a roster, as tokens only.
    Enrolment = "EnrolmentEvent",
    /// Something about an injury.
    Case = "CaseEvent",
    /// 申报.
    Declaration = "DeclarationEvent",
    /// 缴款.
    Payment = "PaymentEvent",
    /// 退费.
    Refund = "RefundEvent",
    /// Money that came in.
    Receipt = "ReceiptEvent",
    /// Money moved between accounts.
    Transfer = "TransferEvent",
    /// Interest.
    Interest = "InterestEvent",
    /// The bank's result.
    BankResult = "BankResultEvent",
    /// A counterparty's answer.
    Ack = "AckEvent",
}

impl Record {
    /// The schema of this program version.
    ///
    /// # Panics
    /// Where the embedded text is no schema, which a test rules out for every record.
    #[must_use]
    pub fn schema(self) -> Schema {
        Schema::parse_str(self.schema_text()).expect("an embedded schema is a schema")
    }
}

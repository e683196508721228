//! Canonical events as Avro: the contract of `schemas/*.avsc`, in bytes.
//!
//! Pure. Domain types know nothing of Avro: they are converted by hand at this edge, and tests hold
//! both sides together. [`gate`] keeps released schemas readable, [`text`] compares what registries
//! know. [`topics`] says where a record is
//! published; publishing itself is `forward`'s.

pub mod decode;
pub mod encode;
pub mod framing;
pub mod gate;
mod ids;
mod shape;
pub mod text;
pub mod topics;
mod wire;

#[cfg(test)]
mod tests;

use apache_avro::Schema;

pub use ids::SchemaIds;

use self::text::SchemaText;

macro_rules! records {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $id:literal;)*) => {
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

            /// The number that stands in the frame of what this program version writes: a hundred
            /// times the number of the record, and the version of its schema, which rises with
            /// each release that changes it (see `schemas/released/`). Numbers are never used
            /// again; the table `canonical_schema` keeps the text of every number that a database
            /// has published under. Where another registry gives numbers of its own, they take
            /// their place (see [`SchemaIds`]).
            #[must_use]
            pub const fn schema_id(self) -> u32 {
                match self { $(Self::$variant => $id,)* }
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
    Order = "OrderEvent", 101;
    /// A day's totals.
    Statement = "CountStatement", 201;
    /// 参保登记.
    Registration = "RegistrationEvent", 301;
    /// A rider in a roster, as tokens only.
    Enrolment = "EnrolmentEvent", 401;
    /// Something about an injury.
    Case = "CaseEvent", 501;
    /// 申报.
    Declaration = "DeclarationEvent", 601;
    /// 缴款.
    Payment = "PaymentEvent", 701;
    /// 退费.
    Refund = "RefundEvent", 801;
    /// Money that came in.
    Receipt = "ReceiptEvent", 901;
    /// Money moved between accounts.
    Transfer = "TransferEvent", 1001;
    /// Interest.
    Interest = "InterestEvent", 1101;
    /// The bank's result.
    BankResult = "BankResultEvent", 1201;
    /// A counterparty's answer.
    Ack = "AckEvent", 1301;
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

    /// The schema of this program version as registries know it.
    ///
    /// # Panics
    /// As [`Record::schema`].
    #[must_use]
    pub fn text(self) -> SchemaText {
        SchemaText::parse(self.schema_text()).expect("an embedded schema is a schema")
    }

    /// The version of the schema: 1 for the first release.
    #[must_use]
    pub const fn schema_version(self) -> u32 {
        self.schema_id() % 100
    }
}

//! Pure: what a counterparty's answer means. Only a typed code makes a refusal permanent: a
//! proxy's error page must never refuse a record.

use std::collections::HashMap;

use serde::Deserialize;

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The counterparty has it; `superseded` where it has a higher revision already.
    Delivered {
        /// Whether a higher revision stands there.
        superseded: bool,
    },
    /// Refused for good, with the counterparty's code.
    Refused {
        /// The code.
        code: String,
    },
    /// Not taken now; the same record may be sent again.
    Later {
        /// Why, in one line.
        why: String,
        /// The wait that the counterparty asked for.
        after_ms: Option<i64>,
    },
    /// It may have been taken: to be asked for by its id.
    Unknown {
        /// What happened instead of an answer.
        why: String,
    },
    /// The counterparty says that it never got this id.
    Absent,
}

/// What became of a whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// An answer for each record that was sent, in the same order.
    PerRecord(Vec<Answer>),
    /// One answer for all of them; `suspect` says that one record may have spoilt the request, so
    /// that a smaller request may fare better.
    Whole {
        /// The answer.
        answer: Answer,
        /// Whether to send halves.
        suspect: bool,
    },
}

/// An HTTP answer as the client read it.
#[derive(Clone, Debug)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// `Retry-After` in whole seconds, where given so.
    pub retry_after_s: Option<u32>,
    /// The body.
    pub body: Vec<u8>,
}

/// One record's answer on the wire.
#[derive(Debug, Deserialize)]
struct WireAnswer {
    id: String,
    result: WireResult,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    retry_after_s: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireResult {
    Accepted,
    Superseded,
    Refused,
    Later,
}

/// The body of an error that the counterparty itself wrote.
#[derive(Debug, Deserialize)]
struct WireError {
    code: String,
}

/// The code of an id that the counterparty never got.
const RECORD_UNKNOWN: &str = "record.unknown";

/// What the answer to `POST /v1/records` with these ids means.
#[must_use]
pub(super) fn of_post(ids: &[&str], http: &HttpAnswer) -> Reply {
    if http.status != 200 {
        return of_failure(http);
    }
    let answers: Vec<WireAnswer> = match serde_json::from_slice(&http.body) {
        Ok(answers) => answers,
        Err(error) => {
            let why = format!("expected answers by record, found something else: {error}");
            return Reply::Whole { answer: Answer::Unknown { why }, suspect: false };
        }
    };
    let mut by_id: HashMap<&str, Vec<&WireAnswer>> = HashMap::new();
    for answer in &answers {
        by_id.entry(answer.id.as_str()).or_default().push(answer);
    }
    let each = ids.iter().map(|id| match by_id.get(id).map(Vec::as_slice) {
        Some([one]) => of_record(one),
        Some(_) => Answer::Unknown { why: "expected one answer, found several".to_owned() },
        None => Answer::Unknown { why: "expected an answer with this id, found none".to_owned() },
    });
    Reply::PerRecord(each.collect())
}

/// What the answer to `GET /v1/records/{id}` means.
#[must_use]
pub(super) fn of_query(id: &str, http: &HttpAnswer) -> Answer {
    match http.status {
        200 => match serde_json::from_slice::<WireAnswer>(&http.body) {
            Ok(answer) if answer.id == id => of_record(&answer),
            Ok(answer) => Answer::Unknown { why: format!("expected {id}, found {}", answer.id) },
            Err(error) => Answer::Unknown {
                why: format!("expected one record's answer, found something else: {error}"),
            },
        },
        404 if typed_code(&http.body).as_deref() == Some(RECORD_UNKNOWN) => Answer::Absent,
        _ => Answer::Unknown { why: format!("asked by id, found http {}", http.status) },
    }
}

fn of_record(answer: &WireAnswer) -> Answer {
    let code = answer.code.clone();
    match answer.result {
        WireResult::Accepted => Answer::Delivered { superseded: false },
        WireResult::Superseded => Answer::Delivered { superseded: true },
        WireResult::Refused => match code {
            Some(code) => Answer::Refused { code },
            None => Answer::Later { why: "refused without a code".to_owned(), after_ms: None },
        },
        WireResult::Later => Answer::Later {
            why: code.unwrap_or_else(|| "later".to_owned()),
            after_ms: answer.retry_after_s.map(|seconds| i64::from(seconds) * 1000),
        },
    }
}

fn of_failure(http: &HttpAnswer) -> Reply {
    let code = typed_code(&http.body);
    if let (400 | 409 | 413 | 422, Some(code)) = (http.status, code.clone()) {
        return Reply::Whole { answer: Answer::Refused { code }, suspect: true };
    }
    let after_ms = http.retry_after_s.map(|seconds| i64::from(seconds) * 1000);
    let why = match code {
        Some(code) => format!("http {}: {code}", http.status),
        None => format!("http {}", http.status),
    };
    Reply::Whole { answer: Answer::Later { why, after_ms }, suspect: false }
}

fn typed_code(body: &[u8]) -> Option<String> {
    let error: WireError = serde_json::from_slice(body).ok()?;
    let fits = !error.code.is_empty() && error.code.len() <= 64 && error.code.is_ascii();
    fits.then_some(error.code)
}

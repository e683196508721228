//! A twelfth platform, in a line of business that the scheme did not have: a folder of data and
//! rows of policy, and no change of the program.

use std::path::Path;

use serde_json::json;

use crate::hub::{Folder, Hub, repository, text};

const MANIFEST: &str = r#"
name = "dengdeng-jiazheng"
platform = "dengdeng-jiazheng"
legal_entity = "等等家政服务有限公司"
brands = [{ name = "等等家政" }]
agents = []
lines = ["home_service"]
valid_from = "2026-07-01"
partitions = 2

[[feed]]
name = "visits"
format = "csv"
encoding = "utf-8"
header_lines = ["company,visit,what,cleaner,accepted,at,county"]
bytes_max = 1024
time = "YYYY-MM-DD hh:mm:ss"
resolution_ms = 1000
own = { path = "company", is = ["DENGDENG"] }

[[feed.record]]
makes = "order"

[feed.record.status]
path = "what"
kinds = { "taken" = "accepted", "done" = "completed", "off" = "cancelled", "never" = "void" }
ignored = ["asked"]

[feed.record.fields]
order_id = "visit"
line = { const = "home_service" }
worker = "cleaner"
accepted_at = "accepted"
occurred_at = "at"
ended_at = "at"
county = "county"
"#;

/// Rows that follow those of each policy file.
const RULES: [(&str, &str); 3] = [
    (
        "platforms.toml",
        r#"
[[line]]
code = "home_service"
name = "家政服务"
from = 2026-07-01
legal = { source = "house", clause = "test", sure = "house" }

[[platform]]
id = "dengdeng-jiazheng"
names = [{ name = "等等家政" }]
lines = [{ line = "home_service", from = 2026-07-01 }]
legal = { source = "house", clause = "test", sure = "house" }
"#,
    ),
    (
        "counting.toml",
        r#"
[[basis]]
platform = "dengdeng-jiazheng"
line = "home_service"
basis = "STREAM"
from = 2026-07-01
legal = { source = "house", clause = "test", sure = "house" }
"#,
    ),
    (
        "rates.toml",
        r#"
[[base]]
line = "home_service"
tier = "single"
base_li = 130
from = 2026-07-01
legal = { source = "house", clause = "test", sure = "house" }

[[rate]]
platform = "dengdeng-jiazheng"
line = "home_service"
tier = "single"
step = 1
from = 2026-07-01
legal = { source = "house", clause = "test", sure = "house" }
"#,
    ),
];

/// Counted are V1 to V5: V2 is told twice, V3 was done, V4 was called off after it was taken. Not
/// counted are V6 (called off before), V7 (there never was one), V8 (another province).
const VISITS: &str = "\
company,visit,what,cleaner,accepted,at,county
DENGDENG,V0,asked,,,2026-07-02 08:00:00,150102
DENGDENG,V1,taken,C1,2026-07-02 09:00:00,2026-07-02 09:00:00,150102
DENGDENG,V2,taken,C2,2026-07-02 09:01:00,2026-07-02 09:01:00,150102
DENGDENG,V2,taken,C2,2026-07-02 09:01:00,2026-07-02 09:01:00,150102
DENGDENG,V3,done,C1,2026-07-02 09:02:00,2026-07-02 11:00:00,150103
DENGDENG,V4,taken,C3,2026-07-03 09:03:00,2026-07-03 09:03:00,152201
DENGDENG,V4,off,C3,,2026-07-03 09:30:00,
DENGDENG,V5,taken,C3,2026-07-03 10:00:00,2026-07-03 10:00:00,152201
DENGDENG,V6,off,,,2026-07-02 10:05:00,
DENGDENG,V7,taken,C2,2026-07-02 10:06:00,2026-07-02 10:06:00,150102
DENGDENG,V7,never,C2,,2026-07-02 10:07:00,
DENGDENG,V8,taken,C4,2026-07-02 10:08:00,2026-07-02 10:08:00,110101
DENGDENG,V9,painted,C4,2026-07-02 10:09:00,2026-07-02 10:09:00,150102
";

/// 2026-07-03T12:00:00+08:00
const RECEIVED_AT_MS: &str = "1783051200000";

/// Copies a folder of rules, so that a test may change it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let into = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &into);
        } else {
            std::fs::copy(entry.path(), into).unwrap();
        }
    }
}

/// A copy of manifests and policy.
pub(crate) fn copy_rules(to: &Path) {
    for name in ["connectors", "policy"] {
        copy(&repository().join(name), &to.join(name));
    }
}

#[test]
fn a_platform_of_a_new_line_is_a_folder_and_rows_of_policy() {
    let folder = Folder::new("new-platform");
    let rules = folder.path("rules");
    copy_rules(&rules);
    let own = rules.join("connectors/dengdeng-jiazheng");
    std::fs::create_dir_all(&own).unwrap();
    std::fs::write(own.join("connector.toml"), MANIFEST).unwrap();
    for (file, rows) in RULES {
        let path = rules.join("policy").join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, before + rows).unwrap();
    }
    let visits = folder.path("visits.csv");
    std::fs::write(&visits, VISITS).unwrap();

    let hub = Hub::with_rules(folder.path("hub"), rules);
    let named = ["ingest", "--connector", "dengdeng-jiazheng", "--received-at", RECEIVED_AT_MS];
    hub.done(&[&named[..], &[text(&visits)]].concat());
    hub.done(&["process"]);
    hub.done(&["seal", "--until", "2026-07-31"]);
    hub.done(&["freeze", "--month", "2026-07", "--reason", "the test's month is over"]);
    let books = hub.export(&folder.path("out"));

    // 130 li × (100 % + 1 × 10 %) = 143 li an order; 5 × 143 = 715 li = 71.5 fen, half up 72 fen.
    let july = json!({ "orders": 5, "rate_li": 143, "amount_fen": 72 });
    let levies = json!({ "dengdeng-jiazheng": { "home_service": { "2026-07": july } } });
    assert_eq!(books["levies"], levies);
    let days = json!({
        "2026-07-02": { "150102": 2, "150103": 1 },
        "2026-07-03": { "152201": 2 },
    });
    let counts = json!({ "dengdeng-jiazheng": { "home_service": days } });
    assert_eq!(books["counts"], counts);
    let messages =
        json!({ "received": 13, "applied": 10, "duplicate": 1, "held": 1, "ignored": 1 });
    assert_eq!(books["messages"], messages);
    assert_eq!(books["held_by_reason"], json!({ "status.unknown": 1 }));
    let balances = json!({ "memo.levy_assessed": -72, "memo.levy_receivable": 72 });
    assert_eq!(books["balances"], balances);
    // C1 and C2 on 2 July, C3 on 3 July; nobody of them is in a roster.
    assert_eq!(books["persons"]["platform_days"], 3);
    assert_eq!(
        books["persons"]["by_unit_month"],
        json!({
            "150100": { "2026-07": 2 },
            "152200": { "2026-07": 1 },
        })
    );
    hub.done(&["status"]);
}

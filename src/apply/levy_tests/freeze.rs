//! Freezing, issuing, adjusting.

use super::*;

crate::store::scratch::on_each_engine!(
    a_frozen_figure_is_issued_once_and_adjusted_by_differences,
    a_back_dated_rate_is_booked_in_the_period_it_belongs_to,
    a_day_without_a_statement_blocks_its_line_until_it_is_accepted,
    a_month_of_revisions_out_of_order_freezes_at_the_highest_of_each_day,
    a_correction_across_the_cut_leaves_the_frozen_figure_alone,
    a_stream_beside_a_statement_basis_is_not_assessed,
    a_period_without_orders_is_issued_at_zero_and_posts_nothing,
    commands_out_of_order_are_refused,
    orders_counted_on_a_day_without_a_rate_stop_the_issue,
    the_first_cut_stands_and_batches_read_it,
    orders_in_a_county_without_a_unit_stop_the_issue_and_are_never_left_out,
);

async fn a_frozen_figure_is_issued_once_and_adjusted_by_differences() {
    let hub = Fixture::new().await;
    let cut = july(31).plus(11).start();
    // Two effects before the cut, two after it.
    hub.add_orders(&riders(), &[(1_000, false), (1, false)]).await;
    hub.freeze(cut).await;
    hub.add_orders(&riders(), &[(2, true), (-5, true)]).await;

    // Clause 三, 0.07 yuan: 1,001 × 0.07 = 70.07.
    let issued = hub.issue(&riders()).await.unwrap();
    assert_eq!((issued.revision, issued.figure.amount.get()), (1, 7_007));
    let posting = issued.posting.unwrap();
    assert_eq!(
        (posting.debit.as_str(), posting.credit.as_str(), posting.amount.get()),
        ("memo.levy_receivable", "memo.levy_assessed", 7_007)
    );
    assert_eq!(posting.cause.as_str(), "levy_assessed:meituan:instant_delivery:2026-07:1");
    assert_eq!(posting.day, cut.day());
    assert_eq!(hub.issue(&riders()).await, None);

    // 1,001 + 2 − 5 = 998 × 0.07 = 69.86: 0.21 less, in the books of its own month.
    let at = july(31).plus(40).start();
    let adjusted = hub.adjust(&riders(), at).await.unwrap();
    assert_eq!((adjusted.revision, adjusted.figure.amount.get()), (2, 6_986));
    let posting = adjusted.posting.unwrap();
    assert_eq!((posting.amount.get(), posting.day), (-21, at.day()));
    assert_eq!(hub.adjust(&riders(), at).await, None);

    let (ids, last) = hub.owed().await;
    let id = |to: &str, revision| {
        format!("{to}:levy_assessed:meituan:instant_delivery:2026-07:{revision}")
    };
    let (national, tax) = ("national-platform", "tax");
    assert_eq!(ids, [id(national, 1), id(national, 2), id(tax, 1), id(tax, 2)]);
    let clause = "三";
    let document = &hub.policy.rate(&riders().platform, &riders().line, july(1)).unwrap();
    let document = &*document.base_legal.document;
    assert_eq!(
        last,
        serde_json::json!({
            "platform": "meituan", "line": "instant_delivery", "period": "2026-07", "revision": 2,
            "orders": 998, "amount_fen": 6_986, "orders_change": -3, "amount_change_fen": -21,
            "rates": [{ "rate_li": 70, "orders": 998, "amount_fen": 6_986,
                        "document": document, "clause": clause }],
            "units": [{ "unit": "150100", "orders": 998, "amount_fen": 6_986 }],
        })
    );
    let mut tx = hub.database().snapshot().await.unwrap();
    let all = all_issued(&mut tx).await.unwrap();
    let figure = Figure { orders: 998, amount: adjusted.figure.amount };
    assert_eq!(all[&riders()].by_rate, [(Rate::from_li(70).unwrap(), figure)].into());
}

async fn a_back_dated_rate_is_booked_in_the_period_it_belongs_to() {
    let mut hub = Fixture::new().await;
    hub.add_orders(&riders(), &[(1_000, false)]).await;
    hub.freeze(july(31).end()).await;
    hub.issue(&riders()).await.unwrap();
    // The agency sets step +1 back to the start: 1,000 × 0.077 = 77.00, 7.00 more than 70.00.
    let rates = String::from_utf8(hub.policy.to_bytes()).unwrap();
    let own = "platform = \"meituan\"\nline = \"instant_delivery\"\ntier = \"low\"\nstep = ";
    let risen = rates.replacen(&format!("{own}0"), &format!("{own}1"), 1);
    hub.policy = Policy::from_bytes(risen.as_bytes()).unwrap();
    let adjusted = hub.adjust(&riders(), july(31).plus(9).start()).await.unwrap();
    assert_eq!((adjusted.figure.orders, adjusted.figure.amount.get()), (1_000, 7_700));
    assert_eq!(adjusted.posting.unwrap().amount.get(), 700);
    assert_eq!(hub.adjust(&riders(), july(31).plus(9).start()).await, None);
}

async fn a_day_without_a_statement_blocks_its_line_until_it_is_accepted() {
    let hub = Fixture::new().await;
    let at = july(31).plus(2).start();
    for number in (1..=31).filter(|number| *number != 9) {
        let statement = totals(july(number), 1, &[(150_102, 10), (150_302, 1)]);
        assert_eq!(hub.state(&statement, at.plus_ms(-1)).await, applied());
    }
    let report = hub.freeze(at).await;
    let (other, days): (LevyPeriod, Vec<Day>) =
        (period("manbang-shengsheng", "intra_city_freight"), july(1).month().days().collect());
    assert_eq!(report.blocked, [(vans(), vec![july(9)]), (other.clone(), days)]);
    assert_eq!((report.frozen.len(), report.frozen_before.len()), (9, 0));

    let mut tx = hub.begin().await;
    let blocked = issue(&mut tx, hub.scope(), &vans()).await;
    assert!(matches!(blocked, Err(FreezeError::Open { .. })), "{blocked:?}");
    let accepted = MissingAccepted {
        platform: vans().platform,
        line: vans().line,
        day: july(9),
        reason: "the platform had no service that day".to_owned(),
        accepted_by: "operator 7".to_owned(),
        accepted_at: at,
    };
    assert!(accept_missing(&mut tx, hub.scope(), &accepted).await.unwrap());
    assert!(!accept_missing(&mut tx, hub.scope(), &accepted).await.unwrap());
    let blank = MissingAccepted { reason: " ".to_owned(), ..accepted.clone() };
    let blank = accept_missing(&mut tx, hub.scope(), &blank).await;
    assert!(matches!(blank, Err(AcceptError::NoReason { .. })), "{blank:?}");
    let LevyPeriod { platform, line, .. } = riders();
    let stream = MissingAccepted { platform, line, ..accepted.clone() };
    let stream = accept_missing(&mut tx, hub.scope(), &stream).await;
    assert!(matches!(stream, Err(AcceptError::NotExpected { .. })), "{stream:?}");
    let missing = missing_statement_days(&mut tx, hub.scope(), &vans(), at).await.unwrap();
    assert_eq!(missing, []);
    tx.commit().await.unwrap();

    let report = hub.freeze(at.plus_ms(5)).await;
    assert_eq!((report.frozen, report.frozen_before.len()), (vec![vans()], 9));
    // 30 days × 11 × 0.18 = 59.40. The statement of the 9th comes too late for it.
    assert_eq!(hub.issue(&vans()).await.unwrap().figure.amount.get(), 5_940);
    let late = totals(july(9), 1, &[(150_102, 3)]);
    assert_eq!(hub.state(&late, at.plus_ms(5)).await, applied());
    assert_eq!(hub.stated(july(9), Extent::Frozen).await, []);
    // 333 × 0.18 = 59.94.
    let adjusted = hub.adjust(&vans(), at.plus_ms(5)).await.unwrap();
    assert_eq!(adjusted.figure.amount.get(), 5_994);
    assert_eq!(adjusted.posting.unwrap().amount.get(), 54);
}

/// A month of a platform that sends only totals: three revisions of each day, each day in another
/// order, the days from the last to the first.
async fn a_month_of_revisions_out_of_order_freezes_at_the_highest_of_each_day() {
    let hub = Fixture::new().await;
    let at = july(31).plus(2).start();
    for number in (1..=31).rev() {
        let orders =
            [[1, 2, 3], [3, 1, 2], [2, 3, 1], [3, 2, 1]][usize::try_from(number % 4).unwrap()];
        for revision in orders {
            // The third says 100 and the number of the day, and 7 in another county.
            let stated = match revision {
                3 => totals(july(number), 3, &[(150_102, 100 + u64::from(number)), (150_302, 7)]),
                other => totals(july(number), other, &[(150_103, 1_000 * u64::from(other))]),
            };
            hub.state(&stated, at.plus_ms(-1)).await;
        }
    }
    assert!(hub.freeze(at).await.frozen.contains(&vans()));
    // 31 × 100 + (1 + … + 31 = 496) + 31 × 7 = 3,813 orders; × 0.18 = 686.34.
    let issued = hub.issue(&vans()).await.unwrap();
    assert_eq!((issued.figure.orders, issued.figure.amount.get()), (3_813, 68_634));
}

async fn a_correction_across_the_cut_leaves_the_frozen_figure_alone() {
    let hub = Fixture::new().await;
    let cut = july(2).end();
    assert_eq!(hub.state(&totals(july(1), 1, &[(150_102, 10)]), july(2).start()).await, applied());
    assert_eq!(hub.state(&totals(july(2), 1, &[(150_102, 4)]), cut.plus_ms(-1)).await, applied());
    // The days that are not over by the cut cannot be missing.
    assert!(hub.freeze(cut).await.frozen.contains(&vans()));
    assert_eq!(hub.state(&totals(july(1), 2, &[(150_103, 7)]), cut).await, applied());
    assert_eq!(hub.stated(july(1), Extent::Frozen).await, [(150_102, 10)]);
    assert_eq!(hub.stated(july(1), Extent::Whole).await, [(150_103, 7)]);
    // 14 × 0.18 = 2.52 issued; 11 × 0.18 = 1.98 stands.
    assert_eq!(hub.issue(&vans()).await.unwrap().figure.amount.get(), 252);
    assert_eq!(hub.adjust(&vans(), cut).await.unwrap().posting.unwrap().amount.get(), -54);
}

async fn a_stream_beside_a_statement_basis_is_not_assessed() {
    let hub = Fixture::new().await;
    hub.add_orders(&vans(), &[(500, false)]).await;
    let cut = july(2).start();
    assert_eq!(hub.state(&totals(july(1), 1, &[(150_102, 10)]), cut.plus_ms(-1)).await, applied());
    hub.freeze(cut).await;
    let issued = hub.issue(&vans()).await.unwrap();
    assert_eq!((issued.figure.orders, issued.figure.amount.get()), (10, 180));
}

async fn a_period_without_orders_is_issued_at_zero_and_posts_nothing() {
    let hub = Fixture::new().await;
    hub.freeze(july(31).end()).await;
    let issued = hub.issue(&riders()).await.unwrap();
    assert_eq!((issued.revision, issued.figure, issued.posting), (1, Figure::default(), None));
    hub.add_orders(&riders(), &[(1, true)]).await;
    let adjusted = hub.adjust(&riders(), july(31).end()).await.unwrap();
    assert_eq!((adjusted.revision, adjusted.figure.amount.get()), (2, 7));
}

async fn commands_out_of_order_are_refused() {
    let hub = Fixture::new().await;
    let mut tx = hub.begin().await;
    let month = riders().month;
    let early = freeze(&mut tx, hub.scope(), month, july(1).start(), "too early").await;
    assert!(matches!(early, Err(FreezeError::NotBegun { .. })), "{early:?}");
    let open = adjust(&mut tx, hub.scope(), &riders(), july(9).start()).await;
    assert!(matches!(open, Err(FreezeError::Open { .. })), "{open:?}");
    freeze(&mut tx, hub.scope(), month, july(9).start(), "test").await.unwrap();
    let unissued = adjust(&mut tx, hub.scope(), &riders(), july(9).start()).await;
    assert!(matches!(unissued, Err(FreezeError::NotIssued { .. })), "{unissued:?}");
}

async fn orders_counted_on_a_day_without_a_rate_stop_the_issue() {
    let mut hub = Fixture::new().await;
    hub.add_orders(&riders(), &[(1, false)]).await;
    hub.freeze(july(31).end()).await;
    // A version in which the platform begins on the 4th, but its stream counted on the 3rd.
    let text = String::from_utf8(hub.policy.to_bytes()).unwrap();
    let rate = "low\"\nstep = 0\nfrom = 2026-07-01";
    let own = text.find("[[rate]]\nplatform = \"meituan\"").unwrap();
    let (before, after) = text.split_at(own);
    let later = after.replacen(rate, "low\"\nstep = 0\nfrom = 2026-07-04", 1);
    let stay =
        "names = [{ name = \"美团\" }]\nlines = [{ line = \"instant_delivery\", from = 2026-07-0";
    let text = format!("{before}{later}").replacen(&format!("{stay}1"), &format!("{stay}4"), 1);
    hub.policy = Policy::from_bytes(text.as_bytes()).unwrap();
    let mut tx = hub.begin().await;
    let refused = issue(&mut tx, hub.scope(), &riders()).await;
    let expected = LevyError::NoRate { day: july(3), orders: 1 };
    assert!(matches!(refused, Err(FreezeError::Levy(found)) if found == expected));
}

async fn the_first_cut_stands_and_batches_read_it() {
    let hub = Fixture::new().await;
    let cut = july(9).start();
    hub.freeze(cut).await;
    hub.freeze(cut.plus_ms(60_000)).await;
    let mut tx = hub.begin().await;
    let found = cuts(&mut tx, &riders().platform).await.unwrap();
    let LevyPeriod { line, month, .. } = riders();
    assert_eq!(found, [PeriodCut { line: line.clone(), month, cut_at: cut }]);
    assert!(!is_after_cut(&found, &line, july(31), cut.plus_ms(-1)));
    assert!(is_after_cut(&found, &line, july(31), cut));
    assert!(!is_after_cut(&found, &line, july(31).plus(1), cut));
    let periods = frozen_periods(&mut tx).await.unwrap();
    assert_eq!(periods.len(), 9);
    assert!(periods.iter().all(|(_, frozen)| frozen.cut_at == cut && !frozen.issued));
}

async fn orders_in_a_county_without_a_unit_stop_the_issue_and_are_never_left_out() {
    let mut hub = Fixture::new().await;
    hub.add_orders(&riders(), &[(1, false)]).await;
    hub.freeze(july(31).end()).await;
    // A version whose table lost 新城区.
    let text = String::from_utf8(hub.policy.to_bytes()).unwrap();
    let county = "150102,新城区,150100,呼和浩特市,no,,\n";
    let table = text.lines().find(|line| line.starts_with("regions.csv ")).unwrap();
    let length: usize = table.split_once(' ').unwrap().1.parse().unwrap();
    let shorter = format!("regions.csv {}", length - county.len());
    let text = text.replacen(table, &shorter, 1).replacen(county, "", 1);
    hub.policy = Policy::from_bytes(text.as_bytes()).unwrap();
    let mut tx = hub.begin().await;
    let refused = issue(&mut tx, hub.scope(), &riders()).await;
    let county = CountyCode::new(150_102).unwrap();
    let expected = LevyError::NoUnit { county, day: july(3), orders: 1 };
    assert!(matches!(refused, Err(FreezeError::Levy(found)) if found == expected));
}

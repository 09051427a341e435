//! What every store must do, whichever database is behind it. Each case is a function over a
//! [`support::Factory`] and asks only through the contract; `conformance!` instantiates all of them for one
//! adapter, so that a second adapter is a second factory and one line.
//!
//! What only one adapter has (files, locks, query plans) is tested beside that adapter.

#[path = "conformance/accepting.rs"]
mod accepting;
#[path = "conformance/auditing.rs"]
mod auditing;
#[path = "conformance/caring.rs"]
mod caring;
#[path = "conformance/claiming.rs"]
mod claiming;
#[path = "conformance/counting.rs"]
mod counting;
#[path = "conformance/deciding.rs"]
mod deciding;
#[path = "conformance/gateway.rs"]
mod gateway;
#[path = "conformance/grouping.rs"]
mod grouping;
#[path = "conformance/keeping.rs"]
mod keeping;
#[path = "conformance/lawful.rs"]
mod lawful;
#[path = "conformance/listing.rs"]
mod listing;
#[path = "conformance/recording.rs"]
mod recording;
#[path = "conformance/renewing.rs"]
mod renewing;
#[path = "conformance/support.rs"]
mod support;
#[path = "conformance/timing.rs"]
mod timing;
#[path = "conformance/working.rs"]
mod working;

/// Makes `adapter::case` tests of a factory.
macro_rules! conformance {
    ($adapter:ident, $factory:expr) => {
        mod $adapter {
            use super::*;
            cases! { $factory;
                accepting: [
                    the_door_passes_a_flood,
                    accepted_is_readable_when_it_is_answered,
                    ids_rise_even_when_the_clock_goes_back,
                    nothing_appears_below_what_a_reader_has_seen,
                    a_replayed_request_is_known,
                    the_inbox_gives_pages_in_order,
                ];
                deciding: [
                    a_decision_writes_all_that_follows,
                    a_known_fact_is_skipped_whole,
                    only_a_decided_delivery_becomes_a_duplicate,
                    a_version_conflict_writes_nothing,
                    a_stale_guard_in_a_fact_is_a_conflict,
                    read_models_count_their_versions,
                    what_is_decided_is_not_decided_again,
                    failed_tries_are_counted,
                    a_reopened_delivery_is_decided_again,
                    a_person_is_found_in_every_delivery,
                ];
                working: [
                    the_fence_of_an_attempt_holds,
                    the_state_guard_holds,
                    a_run_is_written_by_who_read_its_version,
                    a_timer_fires_once,
                    an_update_keeps_what_it_does_not_name,
                    progress_replaces_the_stored_call_of_the_open_attempt,
                    what_was_read_must_still_be_so,
                    history_is_kept_per_attempt_and_call,
                    the_history_ends_with_the_attempt_that_did_it,
                    a_fetch_brings_deliveries,
                ];
                grouping: [
                    a_stale_member_does_not_undo_its_neighbours,
                    a_refused_member_does_not_undo_its_neighbours,
                    a_refused_piece_of_housekeeping_does_not_undo_its_neighbours,
                ];
                gateway: [
                    a_key_keeps_its_terms_and_both_its_texts_while_they_overlap,
                    of_many_who_begin_a_request_one_does_it_and_all_get_its_answer,
                    a_request_that_is_forgotten_meanwhile_is_begun_again,
                    a_request_without_an_end_is_lost_and_begun_again_only_where_that_is_safe,
                ];
                claiming: [
                    only_queued_effects_are_claimed,
                    a_claim_is_the_attempt_record,
                    a_claim_may_come_with_an_outcome,
                    queued_goes_by_connection_urgency_and_flow_in_lane_order,
                    queued_tells_its_stand_in_its_lane,
                    held_lanes_are_told,
                    interrupted_are_exactly_those_that_were_out,
                    places_go_on_after_a_reopening,
                    a_reference_finds_what_is_not_settled,
                ];
                timing: [
                    timers_come_oldest_first,
                    timers_of_one_moment_survive_a_reopening,
                    listeners_hear_their_key_and_type,
                    a_finished_run_no_longer_listens,
                ];
                keeping: [
                    connections_keep_their_row,
                    flow_versions_keep_their_row,
                    pushed_flows_replace_the_one_of_their_name,
                    pauses_are_kept_until_they_end,
                    credentials_are_replaced,
                    an_address_is_not_written_to_until_somebody_says_so,
                    the_first_signing_key_is_the_same_for_all,
                    cursors_move_and_add_up,
                    api_keys_are_revoked_once,
                    a_pass_is_taken_once_and_goes_when_its_time_is_over,
                    an_accounts_passes_are_listed_noted_and_ended_together,
                    everything_is_there_after_a_reopening,
                    hashes_are_stable_within_a_database,
                ];
                lawful: [
                    what_was_read_must_still_be_so_when_an_attempt_begins,
                    a_standing_is_that_of_all_addresses_of_a_person,
                    what_is_deferred_leaves_its_lane_and_enters_behind_what_waits,
                ];
                listing: [
                    deliveries_page_without_gap_or_repeat,
                    deliveries_by_status,
                    read_models_of_a_kind_by_id,
                    parts_of_a_read_model,
                    events_page_both_ways_by_every_filter,
                    text_that_is_sql_is_only_text,
                    runs_page_by_status_and_event,
                    runs_of_a_flow_are_looked_for_among_the_newest,
                    open_steps_of_a_flow_are_counted,
                    events_about_somebody_come_newest_first,
                    effects_page_by_every_filter,
                    the_largest_limit_is_no_trap,
                    what_is_seen_is_of_the_connections_that_may_be_seen,
                ];
                caring: [
                    only_what_is_finished_and_old_goes,
                    what_somebody_needs_stays,
                    a_pass_goes_in_bites_and_goes_on_after_a_reopening,
                    a_run_of_many_effects_goes_in_several_bites,
                    bodies_go_before_their_deliveries,
                    nonces_go_and_facts_stay,
                    links_follow_what_they_link,
                    a_person_is_redacted_everywhere_and_nobody_else,
                    what_may_have_gone_out_is_held_back,
                    the_bytes_of_what_waits_are_counted,
                    must_07_what_is_about_somebody_who_is_held_stays,
                    must_07_scans_at_the_door_go_before_other_events,
                    it_is_one_nodes_turn,
                ];
                recording: [
                    records_are_seen_without_opening_what_holds_them,
                    a_record_is_written_by_who_read_its_version,
                    records_are_written_over_whatever_is_there_in_one_commit,
                    records_are_listed_by_what_is_open_due_closed_and_about_whom,
                    a_dropped_record_is_gone_with_its_links,
                    of_many_who_write_one_version_one_does,
                    of_two_who_write_under_one_guard_one_does,
                    a_held_person_is_not_redacted_and_records_go_with_the_others,
                ];
                auditing: [
                    an_entry_is_written_with_what_it_tells_of_or_not_at_all,
                    entries_are_found_by_who_what_which_and_when,
                    of_many_who_append_each_has_a_place,
                    values_of_an_erased_person_go_and_the_chain_verifies,
                    a_deed_begins_before_anything_of_it_is_written,
                    what_is_beyond_its_age_goes_from_the_front_and_the_chain_verifies,
                    looks_and_refusals_are_told_from_changes,
                ];
                renewing: [
                    keys_change_and_may_be_killed_between_any_two_steps,
                    what_is_written_while_rows_are_sealed_anew_stays,
                    another_master_key_is_named_and_the_old_one_opens_until_it_is_there,
                ];
                counting: [
                    health_counts_what_is_there,
                    an_accept_is_two_rows,
                    a_flow_of_three_effects_is_five_transactions_and_less_than_twenty_rows,
                ];
            }
        }
    };
}

/// One test per case.
macro_rules! cases {
    ($factory:expr; $($module:ident: [$($case:ident),* $(,)?];)*) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                // What cannot be had here has said so.
                let Some(factory) = $factory else { return };
                $module::$case(&factory).await;
            }
        )*)*
    };
}

conformance!(sqlite, Some(support::Sqlite::new()));
conformance!(postgres, support::Postgres::new());

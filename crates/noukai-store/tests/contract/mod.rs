//! What every database behind the store's traits must do, written once against `dyn Store`.
//!
//! `contract_tests!(name, make)` runs all of it on the database that `make` opens, empty, for each test. Nothing
//! here names a database, sleeps or reads a clock: every time is given.

pub mod authoring;
pub mod bed;
pub mod budgets;
pub mod cache;
pub mod flows;
pub mod grants;
pub mod idempotency;
pub mod identity;
pub mod jobs;
pub mod keys;
pub mod listing;
pub mod models;
pub mod pauses;
pub mod projects;
pub mod provider_keys;
pub mod queues;
pub mod runs;
pub mod test_cases;
pub mod upkeep;
pub mod usage;

/// `contract_tests!(sqlite, make_store)`: `make_store` is an `async fn() -> Arc<dyn Store>`.
macro_rules! contract_tests {
    ($database:ident, $make:path) => {
        contract_tests! { @all $database, $make,
            projects: [made_once, read_by_id_and_address, capture_is_the_organisations, made_listed_and_changed];
            flows: [draft_is_made_and_replaced, what_only_a_draft_had_goes_with_it, listed_by_slug,
                removed_is_out_of_sight, publish_counts_up, publish_refuses_another_draft,
                same_content_is_the_same_version, production_is_set_and_read, deprecated_and_back,
                hidden_from_other_projects, hostile_text_is_only_text];
            authoring: [one_of_many_authors_is_first, one_of_many_takes_the_slug, a_slug_is_given_once,
                the_log_is_paged_and_narrowed, undone_and_done_again_is_noted, all_of_a_life_is_logged,
                pages_go_on_behind_a_slug, found_in_the_organisation_alone, checkpoints_are_kept_and_go];
            models: [made_changed_deleted, paged_by_name, drafts_follow, drafts_made_with_old_ones_are_refused,
                versions_keep_what_they_had, hidden_from_other_projects];
            keys: [round_trip, limit_holds_in_a_race, only_active_ones_count, revoked_once, paged,
                hidden_from_other_projects];
            identity: [set_up_once_in_a_race, setup_keeps_what_is_there, members_are_paged, an_organisation_keeps_an_owner, invited_once,
                invitations_are_taken_back, sign_ins_last_until_they_end, attempts_are_counted,
                what_is_over_is_forgotten];
            grants: [clients_are_bounded, a_code_is_used_once, a_code_is_over_in_time, tokens_are_found_by_their_hash,
                a_refresh_token_is_replaced_once, a_grant_is_revoked_by_either_token, a_new_password_voids_grants,
                what_is_over_is_forgotten];
            runs: [created_and_read, events_are_paged, events_come_back_as_they_went_in, created_with_its_end, order_is_kept_among_many, one_failure_harms_no_other,
                created_once, no_gaps, ends_once, statuses_are_guarded, ending_clears, inputs_can_be_kept,
                watch_wakes_after_the_commit, hidden_from_other_projects];
            listing: [newest_first_and_narrowed, sessions_oldest_first, hostile_text_is_only_text];
            pauses: [pause_is_kept_and_counted, between_steps_keeps_none, one_of_many_resumes, final_only_when_allowed,
                resume_is_scoped];
            jobs: [claimed_oldest_first, each_claimed_once, expired_lease_is_claimed_again, late_worker_is_fenced,
                heartbeat_prolongs, released_is_free_at_once, done_with_its_result, cancelled_while_queued,
                cancelled_while_claimed, cancelled_after_its_lease, cancelled_after_it_was_cut_off,
                cancel_of_none_or_ended, watch_wakes, hidden_from_other_projects];
            queues: [projects_take_turns, equals_alternate, a_project_has_a_bound, queue_is_counted,
                bounds_hold_in_a_race, a_refused_job_leaves_nothing, places_are_told, faults_are_noted,
                kept_for_a_retry, retried_once, poison_is_listed];
            idempotency: [first_then_before, one_of_many_is_first, reply_is_kept, abandoned_is_free, expired_is_free,
                keys_are_apart, what_was_made_is_not_forgotten, a_key_stands_for_what_goes_on, a_result_waits_for_its_reply];
            cache: [kept_for_its_time, hidden_from_other_projects, the_oldest_goes_past_the_bound,
                bounds_hold_in_a_race, what_is_past_its_time_goes];
            test_cases: [cases_are_kept_in_order, names_are_taken_once, a_flow_has_a_bound, a_change_needs_the_revision,
                a_test_run_advances_to_its_end, old_test_runs_go, a_gate_is_set_and_read, a_first_gate_is_set_once_in_a_race, hidden_from_other_projects];
            provider_keys: [round_trip, hidden_from_others, limit_holds_in_a_race, use_is_noted, sealed_anew_one_by_one];
            usage: [rides_with_its_write, counted_once, grouped_and_narrowed, by_session, of_an_organisation, kept_apart,
                paged_in_order, sums_outlive_entries, money_never_overflows, concurrent_sums_are_exact];
            budgets: [set_and_read, set_again, a_new_one_counts_what_was_spent, a_new_one_counts_a_runs_calls, charged_with_entries,
                charged_with_a_beginning, removed_with_its_count, hostile_text_is_only_text];
            upkeep: [ready, recover_voids_leases, recover_returns_interrupted, paused_since, prune_takes_what_is_old,
                prune_goes_by_the_end, prune_goes_by_capture, prune_goes_on_where_it_ended, prune_stops_at_its_limit,
                keys_go_up_to_the_limit, close_stores_what_is_queued];
        }
    };
    (@all $database:ident, $make:path, $($subject:ident: [$($test:ident),+ $(,)?];)+) => {
        mod $database {
            $(mod $subject {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let store = $make().await;
                    $crate::contract::$subject::$test(store).await;
                })+
            })+
        }
    };
}
pub(crate) use contract_tests;

//! The contract of [`Store`]: run it with [`store_conformance!`](crate::store_conformance).

mod accept;
mod channel;
mod contact;
mod conversation;
mod counter;
mod directory;
mod fairness;
mod feed;
mod flow;
mod group;
mod isolation;
mod knowledge;
mod ledger;
mod outbox;
mod plugin;
mod plugin_value;
mod post;
mod publication;
mod schedule;
mod search;
mod status;
mod tool;
mod turn;
mod upkeep;
mod usage;

pub use accept::*;
pub use channel::*;
pub use contact::*;
pub use conversation::*;
pub use counter::*;
pub use directory::*;
pub use fairness::*;
pub use feed::*;
pub use flow::*;
pub use group::*;
pub use isolation::*;
pub use knowledge::*;
pub use ledger::*;
pub use outbox::*;
pub use plugin::*;
pub use plugin_value::*;
pub use post::*;
pub use publication::*;
pub use schedule::*;
pub use search::*;
pub use status::*;
pub use tool::*;
pub use turn::*;
pub use upkeep::*;
pub use usage::*;

#[cfg(doc)]
use crate::port::Store;

/// How many checks there are.
pub const CHECKS: usize = 331;

/// Turns the contract of stores into tests, one for each check.
///
/// The factory is an async function or closure without arguments that gives a fresh, empty store
/// behind anything that dereferences to it: a `Box`, an `Arc`, or a guard that cleans up.
#[macro_export]
macro_rules! store_conformance {
    ($factory:expr) => {
        $crate::conformance_tests! { store, $factory, subject => &*subject, [
            business_is_created_once
            businesses_are_listed_by_id
            member_is_created_once
            creating_needs_the_business
            api_key_is_found_by_its_token
            api_key_token_is_unique
            api_key_revoked_is_not_found
            api_key_needs_its_member
            channel_is_created_once
            channels_are_listed_by_id
            channel_update_checks_the_revision
            channel_update_keeps_what_never_changes
            channel_secrets_are_set_one_by_one
            channel_secrets_survive_a_stale_update
            channel_delete_refuses_while_used
            channel_needs_its_agent
            agent_is_created_once
            agent_update_checks_the_revision
            agent_delete_leaves_channels_without_one
            flow_is_created_once
            flow_update_checks_the_revision
            flow_update_keeps_what_is_published
            flow_publish_keeps_the_revision
            flow_publish_numbers_versions
            flow_publish_stores_content_once
            flow_publish_needs_its_flow
            flow_versions_are_listed_by_number
            flow_delete_refuses_what_was_published
            publications_are_kept
            publication_of_an_earlier_version_is_one_more
            publications_need_their_flow
            live_sessions_are_counted_and_listed
            live_sessions_move_and_end
            contact_is_created_once
            contacts_are_listed_by_id
            contact_identity_is_unique
            contact_patch_changes_what_it_names
            link_adds_identities_once
            link_takes_no_identity_away
            contact_delete_refuses_while_used
            conversation_is_found_by_its_pair
            conversation_opens_before_a_word
            conversation_opens_once
            conversation_opens_for_its_business_only
            conversations_list_the_newest_message_first
            conversations_are_filtered
            conversations_page_while_messages_arrive
            conversations_page_through_one_moment
            conversation_changes_are_applied
            close_cancels_the_waiting_session
            close_empties_the_mailbox
            messages_page_from_either_end
            messages_page_while_messages_arrive
            pages_are_bounded
            an_empty_page_is_the_last
            cursors_of_no_list_are_refused
            sessions_and_steps_are_listed
            accept_makes_contact_and_conversation
            accept_opens_the_window
            accept_drops_duplicates
            accept_drops_duplicates_within_a_batch
            accept_knows_words_of_consent
            accept_hears_a_repeated_word_once
            accept_dedupes_within_a_channel_only
            accept_keeps_the_order_of_a_burst
            accept_finds_the_contact_by_any_identity
            accept_takes_no_identity_away
            accept_sets_a_first_name_only
            accept_opens_one_conversation_a_channel
            accept_reopens_what_was_closed
            accept_keeps_a_live_owner
            accept_delivers_to_bots_only
            accept_needs_the_channel
            accept_of_nothing_is_nothing
            accept_survives_a_crowd
            accept_takes_a_large_batch
            claim_carries_what_a_turn_reads
            claim_goes_without_an_agent
            claim_is_exclusive
            claim_takes_the_oldest_mail_first
            claim_is_bounded
            lease_that_ran_out_goes_to_the_next
            lease_that_ran_out_stands_until_taken
            lease_of_a_poison_pill_blocks_nobody
            commit_compares_the_revision
            commit_goes_through_once
            commit_fails_alone
            commit_consumes_what_it_names
            commit_records_messages
            commit_marks_who_wrote
            commit_keeps_notes_inside
            commit_moves_sessions
            commit_ends_one_session_and_starts_another
            commit_sets_and_clears_timers
            commit_makes_and_cancels_calls
            commit_changes_the_contact
            commit_hands_over_with_its_last_words
            commit_rows_are_overtaken_by_people
            commit_that_closes_ends_the_session
            commit_stays_in_its_conversation
            commit_stores_events
            release_gives_back
            release_that_is_stale_is_ignored
            post_records_and_queues
            post_of_a_note_goes_nowhere
            post_takes_over
            post_alone_disturbs_no_turn
            post_of_a_bot_is_marked
            post_past_us_is_written_once
            post_past_us_knows_what_was_accepted
            post_fails_alone
            post_for_one_thing_is_written_once
            send_claim_carries_what_a_send_needs
            sends_keep_the_order_of_a_conversation
            sends_wait_behind_a_retry
            sends_wait_for_their_moment
            sends_go_by_lane_then_age
            sends_claim_one_a_conversation
            sends_are_exclusive
            send_recorded_as_sent
            send_recorded_with_a_change
            send_recorded_without_a_reference
            send_recorded_as_failed
            send_retry_counts_and_defer_does_not
            send_recorded_as_unknown
            send_lease_that_ran_out_is_unknown
            send_answer_may_come_late
            send_answer_of_an_old_lease_is_ignored
            send_outcome_counts_once
            sends_survive_a_close
            sends_take_turns_between_businesses
            sends_keep_to_the_bound_of_a_business
            sends_keep_to_the_bound_of_a_channel
            sends_are_divided_between_lanes
            sends_behind_others_stand_in_no_line
            turns_go_round_the_businesses
            turns_pass_over_what_is_taken
            queues_are_counted
            status_is_found_by_reference
            status_never_goes_back
            status_batches_keep_their_order
            status_by_key_overtakes_the_answer
            status_by_key_reconciles_the_unknown
            status_by_key_ends_a_pending_row
            status_waits_for_the_reference
            status_waits_for_the_reference_of_a_key
            status_failure_waits_too
            status_failure_ends_the_row
            status_failure_after_delivery_is_ignored
            status_key_must_name_a_message
            status_stays_on_its_channel
            status_of_an_inbound_message_waits_in_vain
            timer_fires_once
            timers_fire_in_order
            call_comes_back_once
            call_may_fail
            call_lease_that_ran_out_goes_to_the_next
            calls_are_claimed_once
            call_result_of_nothing_is_ignored
            outside_event_reaches_the_session_that_waits
            waiting_session_is_found_until_it_ends
            generations_are_told_in_order
            next_due_of_nothing_is_none
            next_due_is_the_first_of_all
            next_due_looks_at_first_rows_only
            events_of_an_accept
            events_of_changes
            events_are_paged_in_order
            an_event_is_recorded_by_itself
            counters_know_no_duplicates
            counters_follow_a_message_forward
            counters_include_skipped_steps
            counters_of_failures
            counters_of_conversations
            counters_of_nothing
            counters_are_of_days_and_channels
            counters_go_by_the_timeline
            counters_of_too_many_days_are_refused
            counters_survive_a_crowd
            counters_are_what_the_ledger_holds
            request_is_started_once
            request_is_answered_again
            request_that_was_abandoned_starts_anew
            request_is_forgotten
            requests_expire
            foreign_members_and_keys_are_hidden
            foreign_channels_are_hidden
            foreign_contacts_are_hidden
            foreign_agents_are_hidden
            foreign_flows_are_hidden
            foreign_flows_do_not_run
            foreign_conversations_are_hidden
            foreign_sessions_and_events_are_hidden
            foreign_channels_accept_nothing
            contacts_are_not_shared
            foreign_turns_are_out_of_reach
            turns_write_nothing_elsewhere
            foreign_conversations_take_no_post
            foreign_sends_are_out_of_reach
            foreign_calls_are_out_of_reach
            foreign_requests_are_hidden
            foreign_counters_are_hidden
            lease_is_held_by_one
            lease_is_extended_by_its_holder
            lease_that_is_over_has_another_fence
            lease_is_given_back
            leases_have_names
            upkeep_needs_the_lease
            upkeep_of_an_old_leader_changes_nothing
            upkeep_forgets_requests_of_all_businesses
            upkeep_drops_parked_news
            upkeep_forgets_references
            upkeep_drops_events_in_order
            upkeep_twice_at_once_is_once
            upkeep_drops_counters
            usage_adds_up
            business_caps_are_kept
            upkeep_drops_days_of_usage
            budgets_are_kept
            holds_take_room_while_they_last
            budgets_hold_in_a_crowd
            usage_of_nobody_is_refused
            foreign_usage_is_hidden
            tool_is_created_once
            tool_name_is_unique_in_its_business
            tools_are_listed_by_id
            tool_update_checks_the_revision
            tool_secrets_are_set_one_by_one
            tool_goes_with_its_secrets
            tools_are_bounded
            foreign_tools_are_hidden
            group_is_created_once
            group_name_is_unique_in_its_business
            group_name_is_trimmed_and_short
            group_update_checks_the_revision
            groups_are_listed_by_id
            groups_are_bounded
            group_takes_contacts_once
            group_leaves_contacts_as_they_are
            group_batches_are_whole
            memberships_are_listed_by_contact
            groups_of_contacts_are_told
            groups_of_a_contact_are_bounded
            contact_patch_moves_groups
            group_delete_empties_it
            contact_delete_leaves_its_groups
            claim_carries_groups
            commit_moves_groups
            commit_joins_what_fits
            commits_of_one_contact_add_up
            groups_survive_a_crowd
            foreign_groups_are_hidden
            upkeep_drops_memberships
            search_finds_messages_of_every_direction
            search_finds_what_turns_say
            search_needs_every_word
            search_ignores_case_and_accents
            search_finds_other_scripts
            search_takes_any_query_for_words
            search_finds_contacts_by_what_is_known
            search_follows_a_contact
            search_is_of_one_business
            search_of_a_conversation_stays_there
            search_pages_through_a_hundred
            search_pages_through_contacts
            search_lag_is_seen_and_ends
            search_refuses_cursors_of_no_list
            knowledge_base_is_created_once
            knowledge_base_update_checks_the_revision
            knowledge_base_of_another_model_is_read_again
            knowledge_base_delete_refuses_while_used
            source_is_created_once
            sources_are_listed_by_id
            source_claim_is_exclusive
            source_claim_takes_the_longest_due_first
            source_moves_need_the_fence
            source_read_again_overtakes
            source_reports_are_taken_down
            chunks_are_found_by_words
            knowledge_takes_any_question_for_words
            chunks_kept_again_keep_their_vector
            chunks_are_dropped_in_steps
            chunks_are_found_by_meaning
            vectors_are_of_one_model
            source_delete_takes_what_was_found
            foreign_knowledge_is_hidden
            knowledge_agrees_with_the_store_in_memory
            feed_begins_at_its_first_claim
            feed_goes_on_behind_what_was_told
            feed_lease_that_ran_out_is_told_again
            feed_waits_after_a_failure
            feeds_have_names
            foreign_events_are_not_told
            feed_has_no_gap_in_a_crowd
            feed_batches_are_bounded
            plugin_release_never_changes
            plugin_releases_are_listed_newest_first
            plugin_is_created_once
            plugin_needs_its_release
            plugins_are_listed_by_id
            plugin_businesses_are_listed
            plugin_update_checks_the_revision
            plugin_history_is_bounded
            plugin_secrets_are_set_one_by_one
            plugin_delete_takes_all
            plugin_value_is_what_was_written
            plugin_values_have_bounds
            plugin_values_need_their_plugin
            plugin_quota_is_exact
            plugin_values_expire
            plugin_values_that_are_over_take_no_room
            plugin_numbers_add_up
            plugin_numbers_do_not_overflow
            plugin_numbers_keep_their_end
            plugin_keys_are_in_the_order_of_bytes
            plugin_keys_begin_with_the_prefix
            plugin_keys_are_bounded
            plugins_keep_values_apart
            plugin_numbers_survive_a_crowd
            plugin_quota_holds_in_a_crowd
            plugin_lines_are_paged_newest_first
            plugin_lines_are_filtered
            plugin_lines_come_in_batches
            plugin_log_is_bounded
            plugin_lines_survive_a_crowd
            plugin_days_add_up
            plugin_days_survive_a_crowd
            foreign_plugins_are_hidden
            foreign_plugin_data_is_hidden
            upkeep_drops_values_of_plugins
            upkeep_drops_logs_of_plugins
        ] }
    };
}

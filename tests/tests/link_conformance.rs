//! One suite for every link: what holds for a session, whatever moves its packets.
//!
//! A new link is one line in `over!`, and one arm in `link_conformance/fabric.rs`, which says how much it holds.
#![cfg(target_os = "linux")]

#[path = "link_conformance/ending.rs"]
mod ending;
#[path = "link_conformance/exchange.rs"]
mod exchange;
#[path = "link_conformance/fabric.rs"]
mod fabric;
#[path = "link_conformance/limits.rs"]
mod limits;
#[path = "link_conformance/meeting.rs"]
mod meeting;
#[path = "link_conformance/waiting.rs"]
mod waiting;

/// Runs every test of the suite over every fabric.
macro_rules! over {
    ($($name:ident: $only:ident $fabric:expr;)*) => {$(
        mod $name {
            const FABRIC: crate::fabric::Fabric = $fabric;

            suite! {
                meeting: both_sides_have_the_same_terms,
                meeting: the_peer_is_this_process,
                meeting: each_refusal_is_told_to_both_sides,
                meeting: a_client_that_leaves_without_a_word_is_passed_over,
                exchange: messages_of_all_sizes_come_back_as_they_were,
                exchange: batches_go_both_ways,
                exchange: a_batch_of_more_parts_than_one_call_takes_goes_too,
                exchange: batches_are_built_in_place,
                exchange: batches_and_statuses_go_without_waiting_too,
                exchange: answers_come_in_any_order_to_their_requests,
                exchange: tickets_count_from_one_and_name_the_method,
                exchange: a_status_comes_without_a_payload,
                exchange: a_message_that_is_kept_lives_on_in_other_threads,
                exchange: halves_work_in_threads_of_their_own,
                exchange: an_unsplit_client_does_not_deadlock_with_full_buffers,
                waiting: a_deadline_that_has_passed_takes_what_is_there,
                waiting: a_deadline_ends_a_receive_and_the_session_goes_on,
                waiting: a_send_that_finds_no_room_in_time_was_not_sent,
                waiting: trying_never_waits,
                waiting: a_request_that_was_begun_is_finished_before_the_next,
                waiting: an_answer_that_was_begun_is_finished_before_the_next,
                limits: what_is_too_large_is_not_sent,
                limits: too_many_items_are_not_sent,
                limits: a_batch_has_an_item,
                limits: a_client_waits_for_so_many_answers_only,
                limits: a_server_lets_so_many_requests_wait_only,
                limits: a_client_takes_no_answer_beyond_its_ceiling,
                limits: answers_are_put_by_up_to_the_backlog_only,
                limits: empty_answers_that_are_put_by_take_room_too,
                limits: who_sends_too_late_puts_one_answer_by_at_most,
                limits: a_request_is_answered_once,
                limits: what_was_not_built_is_not_sent,
                limits: what_was_built_too_large_is_not_sent,
                ending: what_was_sent_before_a_close_is_received,
                ending: a_close_is_told_to_who_waits_already,
                ending: an_abort_frees_a_thread_that_receives,
                ending: an_abort_frees_a_thread_that_sends,
                ending: an_abort_is_final_for_both_halves_and_told_as_a_close,
                ending: a_session_is_aborted_alone_by_its_own_handle,
                ending: a_half_that_is_dropped_leaves_the_other_working,
                ending: an_item_that_panics_ends_the_session_or_was_never_sent,
            }

            $only! {}
        }
    )*};
}

/// What holds where a message goes in packets, which only a message of several shows, and where a descriptor tells of each.
macro_rules! packets {
    () => {
        suite! {
            waiting: a_deadline_in_the_middle_of_a_message_loses_nothing,
            waiting: a_send_that_is_cut_off_by_its_deadline_ends_the_session,
            ending: a_close_in_the_middle_of_a_message_is_told,
            ending: a_half_that_is_dropped_in_mid_message_ends_the_session,
            waiting: a_descriptor_is_readable_exactly_while_there_is_something,
            waiting: an_event_loop_gets_large_messages_through,
        }
    };
}

/// The same where a message goes as a whole, of which a descriptor knows nothing.
macro_rules! whole {
    () => {
        suite! {
            waiting: a_descriptor_tells_of_the_end_alone,
            waiting: a_loop_that_tries_gets_large_messages_through,
        }
    };
}

macro_rules! suite {
    ($($module:ident: $test:ident,)*) => {$(
        #[test]
        fn $test() {
            crate::$module::$test(FABRIC);
        }
    )*};
}

over! {
    sockets_that_block: packets crate::fabric::Fabric::Sockets { wait: netipc::session::Wait::Block };
    sockets_that_adapt: packets crate::fabric::Fabric::Sockets { wait: netipc::session::Wait::Adaptive };
    memory_that_blocks: whole crate::fabric::Fabric::SharedMemory { wait: netipc::session::Wait::Block };
    memory_that_adapts: whole crate::fabric::Fabric::SharedMemory { wait: netipc::session::Wait::Adaptive };
    memory_that_spins: whole crate::fabric::Fabric::SharedMemory { wait: netipc::session::Wait::Always };
    in_process: packets crate::fabric::Fabric::InProcess;
}

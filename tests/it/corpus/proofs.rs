//! No class of fault and no rule is without a case.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Case, families, metadata};

/// The classes of fault that service providers have had.
const CLASSES: u32 = 45;

/// The rules that refuse something. Those of a number missing here say what we send or keep.
const RULES: [(&str, &[u32]); 5] = [
    ("VAL", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23, 24]),
    (
        "BIND",
        &[
            2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16, 17, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30, 31,
            32, 33,
        ],
    ),
    ("SSO", &[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26]),
    (
        "SLO",
        &[
            1, 2, 6, 7, 9, 11, 12, 13, 14, 15, 17, 20, 21, 22, 23, 24, 28, 29, 32, 33, 36, 45, 48, 49, 50,
            51, 52, 55, 56,
        ],
    ),
    ("MD", &[1, 5, 10, 12, 13, 14, 15, 18, 20, 21, 22, 23]),
];

/// Classes and rules about what we do rather than what we read: the test that shows it.
const SHOWN_BY: &[(&str, &str)] = &[
    ("F-28", "slo_12_no_cookie_is_needed_to_find_the_session"),
    ("F-28", "row_f_store_down_is_responder"),
    ("F-30", "f_30_no_return_target_leads_elsewhere_in_any_spelling"),
    ("F-31", "f_31_nothing_from_outside_is_markup_on_our_pages"),
    ("F-32", "f_32_a_name_id_of_markup_leaves_as_text"),
    ("F-35", "sso_16_an_assertion_signs_in_once"),
    ("F-35", "sso_16_two_nodes_at_once_make_one_session"),
    ("F-40", "sso_26_a_disabled_idp_signs_nobody_in_and_its_logouts_stay_honoured"),
    ("F-41", "f_41_no_logout_token_is_taken_unless_it_is_proved"),
    ("F-44", "val_22_no_cut_and_no_flip_of_a_message_panics_or_passes"),
    ("F-44", "val_22_the_hostile_corpus_at_every_endpoint"),
    ("VAL-17", "val_17_256_astral_characters_come_back_whole"),
    ("VAL-20", "val_20_known_and_unknown_names_cannot_be_told_apart_without_a_signature"),
    ("VAL-20", "val_20_a_denial_is_the_same_for_people_who_exist_and_who_do_not"),
    ("VAL-22", "val_22_the_hostile_corpus_at_every_endpoint"),
    ("VAL-23", "val_23_the_audit_tells_all_of_it"),
    ("VAL-24", "val_24_host_and_forwarded_headers_change_nothing"),
    ("VAL-24", "val_24_forwarded_addresses_are_believed_of_trusted_proxies_only"),
    ("BIND-05", "bind_05_the_order_is_free_and_other_parameters_do_not_count"),
    ("BIND-13", "bind_13_ecdsa_is_taken_raw_and_in_der"),
    ("BIND-14", "bind_14_the_form_carries_the_message_and_works_without_scripts"),
    ("BIND-17", "bind_17_the_page_is_locked_down_and_its_submit_is_not"),
    ("BIND-20", "bind_20_relay_state_is_not_trusted_with_anything"),
    ("BIND-20", "sso_25_swapped_relay_states_are_refused_or_ignored"),
    ("BIND-21", "every_answer_of_every_route_carries_the_headers"),
    ("BIND-24", "bind_24_head_options_and_prefetch_execute_nothing"),
    ("BIND-27", "row_g_unsigned_is_denied"),
    ("BIND-29", "row_h_unknown_issuer_gets_no_saml"),
    ("BIND-30", "every_answer_of_every_route_carries_the_headers"),
    ("BIND-32", "bind_32_a_bad_soap_answer_is_no_confirmation_and_gets_no_fault_back"),
    ("SSO-04", "sso_01_the_authn_request_is_complete_and_lean"),
    ("SSO-05", "sso_05_a_response_by_redirect_is_refused"),
    ("SSO-06", "sso_06_plain_http_is_for_loopback_only"),
    ("SSO-08", "sso_08_require_signed_response"),
    ("SSO-12", "sso_12_unsolicited_responses_are_a_switch_and_off"),
    ("SSO-16", "sso_16_the_assertion_id_is_remembered_even_when_the_response_is_another"),
    ("SSO-19", "sso_19_login_and_logout_at_once_never_leave_a_live_session"),
    ("SSO-23", "slo_02_only_the_authority_behind_the_session_can_end_it"),
    ("SSO-24", "sso_24_planted_cookies_beside_ours_do_not_mix_people_up"),
    ("SSO-25", "sso_25_nothing_leads_elsewhere"),
    ("SSO-26", "sso_26_a_disabled_idp_signs_nobody_in_and_its_logouts_stay_honoured"),
    ("SLO-06", "slo_06_session_index_is_never_a_key_alone"),
    ("SLO-07", "slo_07_another_format_is_another_principal"),
    ("SLO-09", "slo_09_a_wrong_qualifier_does_not_match"),
    ("SLO-11", "slo_11_nothing_is_folded_or_trimmed"),
    ("SLO-12", "slo_12_no_cookie_is_needed_to_find_the_session"),
    ("SLO-13", "slo_13_a_cookie_that_comes_along_is_ignored"),
    ("SLO-14", "slo_14_a_session_ended_at_one_node_is_dead_at_every_node"),
    ("SLO-15", "row_f_store_down_is_responder"),
    ("SLO-17", "slo_17_no_in_response_to_when_the_request_has_no_id"),
    ("SLO-20", "slo_20_a_logout_that_came_first_binds_the_assertion_that_comes_later"),
    ("SLO-21", "slo_21_without_index_the_bar_binds_assertions_issued_before_and_none_after"),
    ("SLO-24", "row_j_reused_id_is_requester"),
    ("SLO-24", "slo_24_a_duplicate_is_answered_again_and_not_executed_again"),
    ("SLO-32", "slo_32_the_slo_endpoints_can_be_framed_by_the_idp_and_no_other_page_can"),
    ("SLO-36", "slo_36_idleness_sends_no_logout_request"),
    ("SLO-45", "slo_45_no_logout_starts_inside_a_frame"),
    ("SLO-48", "slo_48_logout_needs_the_token_of_this_session"),
    ("SLO-49", "slo_49_asynchronous_only_where_the_idp_says_so"),
    ("SLO-52", "slo_52_no_answer_is_not_success"),
    ("SLO-55", "f_31_nothing_from_outside_is_markup_on_our_pages"),
    ("SLO-56", "slo_56_the_log_names_nobody"),
    ("SLO-56", "slo_56_log_and_audit_of_a_whole_story_name_nobody"),
    ("MD-10", "md_10_the_document_depends_on_configuration_alone"),
    ("MD-15", "md_15_a_key_without_use_signs_and_is_required"),
    ("MD-18", "md_18_keys_of_other_roles_and_for_encryption_never_verify"),
    ("MD-22", "md_22_unknown_extensions_attributes_and_bindings_do_not_break_an_import"),
];

#[test]
fn every_class_of_fault_and_every_rule_has_its_case() {
    let tests = tests_in_the_sources();
    let mut covered: BTreeSet<String> = BTreeSet::new();
    for case in families().iter().flat_map(|(_, cases)| cases) {
        assert!(!case.doors.is_empty(), "{} comes in by no door", case.name);
        covered.extend(case.rules.iter().map(|&rule| rule.to_owned()));
    }
    covered.extend(
        metadata::documents().iter().flat_map(|document| document.rules).map(|&rule| rule.to_owned()),
    );
    for (id, test) in SHOWN_BY {
        assert!(tests.contains(*test), "{id}: there is no test {test}");
        covered.insert((*id).to_owned());
    }
    let classes = (1..=CLASSES).map(|n| format!("F-{n:02}"));
    let rules =
        RULES.iter().flat_map(|(part, numbers)| numbers.iter().map(move |n| format!("{part}-{n:02}")));
    let missing: Vec<_> = classes.chain(rules).filter(|id| !covered.contains(id)).collect();
    assert!(missing.is_empty(), "without a case: {missing:?}");
    let unknown: Vec<_> = covered.iter().filter(|id| !is_known(id)).collect();
    assert!(unknown.is_empty(), "no such class or rule: {unknown:?}");
}

/// Where the signature is XML, and where it is detached; requests, answers and sign-in: a rule that
/// every message has to obey is broken at every door.
#[test]
fn what_holds_for_every_message_is_broken_at_every_door() {
    let all: Vec<Case> = families().into_iter().flat_map(|(_, cases)| cases).collect();
    for rule in [
        "F-02", "F-03", "F-10", "F-11", "F-12", "F-13", "F-14", "F-17", "F-18", "F-19", "F-20", "F-24",
        "F-25", "F-29", "F-33", "F-43", "VAL-01", "VAL-02", "VAL-03", "VAL-04", "VAL-05", "VAL-06", "VAL-07",
        "VAL-08", "VAL-09", "VAL-14", "VAL-15", "VAL-19", "VAL-21",
    ] {
        let doors: BTreeSet<String> = all
            .iter()
            .filter(|case| case.rules.contains(&rule))
            .flat_map(|case| case.doors.iter().map(|door| format!("{door:?}")))
            .collect();
        // More than one assertion there can only be at the one door.
        let expected = if rule == "F-12" { 1 } else { super::Door::ALL.len() };
        // Redirect covers octets: an ID that is there twice means nothing to it, a bad one does.
        assert!(doors.len() >= expected, "{rule} is broken only at {doors:?}");
    }
    for rule in
        ["F-01", "F-04", "F-05", "F-06", "F-07", "F-08", "F-09", "F-15", "F-16", "VAL-10", "VAL-11", "VAL-13"]
    {
        for door in super::Door::SIGNED_XML {
            let there = all.iter().any(|case| case.rules.contains(&rule) && case.doors.contains(&door));
            assert!(there, "{rule} is not broken at {door:?}");
        }
    }
    assert!(all.iter().map(|case| case.doors.len()).sum::<usize>() > 2000, "cases at doors");
}

fn is_known(id: &str) -> bool {
    let Some((part, number)) = id.split_once('-') else { return false };
    let Ok(number) = number.parse::<u32>() else { return false };
    if part == "F" {
        return (1..=CLASSES).contains(&number);
    }
    RULES.iter().any(|(own, numbers)| *own == part && numbers.contains(&number))
}

/// The names of all functions in the tests and in the library.
fn tests_in_the_sources() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    let mut directories = vec![root.join("tests/it"), root.join("src")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                directories.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&entry).unwrap();
                let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
                names.extend(functions.map(str::to_owned));
            }
        }
    }
    names
}

//! What a remembered answer is found by.

use std::sync::Arc;

use buttress_core::Key;
use proptest::prelude::*;

#[test]
fn a_key_says_whose_it_is_and_what_it_looks_at() {
    let [shared, private, alike] = [Key::shared("k"), Key::private("k"), Key::users_alike("k")];
    let whose = |key: &Key| (key.is_shared(), key.is_private());
    assert_eq!(
        [&shared, &private, &alike].map(whose),
        [(true, false), (false, true), (false, false)]
    );
    assert_eq!((Key::from("k"), Key::from("k".to_owned())), (shared.clone(), shared.clone()));
    assert!(shared.looks_at("anything"), "it is believed");
    let says = shared.of_fields(Arc::new(["accept".into(), "X-Tenant".into()]));
    assert!(says.looks_at("Accept") && says.looks_at("x-tenant") && !says.looks_at("cookie"));
    assert!(whose(&says.of_layer("l")) == (true, false) && whose(&private.of_layer("l")).1);
}

proptest! {
    /// Of different layers, or of one user and of several, no two keys are one.
    #[test]
    fn keys_of_layers_are_injective(
        layers in ["[0-9:a]{0,4}", "[0-9:a]{0,4}"],
        texts in ["(all|one|[0-9:]){0,4}", "(all|one|[0-9:]){0,4}"],
        private: [bool; 2],
    ) {
        let key = |n: usize| {
            let key = if private[n] { Key::private(&texts[n]) } else { Key::shared(&texts[n]) };
            key.of_layer(&layers[n]).text().to_owned()
        };
        let same = layers[0] == layers[1] && texts[0] == texts[1] && private[0] == private[1];
        prop_assert_eq!(key(0) == key(1), same);
    }
}

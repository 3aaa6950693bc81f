//! The README shows the very files that are run here.

const README: &str = include_str!("../../README.md");

const RECIPES: [(&str, &str); 6] = [
    ("hyper_client", include_str!("../../examples/recipes/hyper_client.rs")),
    ("reqwest_client", include_str!("../../examples/recipes/reqwest_client.rs")),
    ("tonic_client", include_str!("../../examples/recipes/tonic_client.rs")),
    ("axum_server", include_str!("../../examples/recipes/axum_server.rs")),
    ("tonic_server", include_str!("../../examples/recipes/tonic_server.rs")),
    ("hyper_server", include_str!("../../examples/recipes/hyper_server.rs")),
];

#[test]
fn the_readme_shows_the_recipes_as_they_are() {
    for (name, recipe) in RECIPES {
        let block = format!("[`{name}.rs`](examples/recipes/{name}.rs)\n\n```rust\n{recipe}```\n");
        assert!(README.contains(&block), "the README has not: {block}");
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recipes");
    let files = std::fs::read_dir(folder).unwrap().count();
    assert_eq!(files, RECIPES.len(), "each is shown, and run");
}

#[test]
fn a_recipe_is_short_and_names_no_types_that_can_be_found_out() {
    for (name, recipe) in RECIPES {
        assert!(recipe.lines().count() < 30, "{name}");
        assert!(!recipe.contains("::<"), "{name}");
    }
}

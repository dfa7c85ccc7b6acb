//! `#[derive(WireMessage)]`: syn to model to checks, stage by stage.

#[expect(dead_code, reason = "the stages that build and read the model come next")]
mod model;

//! Results as pictures in SVG, for the page that holds their tables.

use super::edits::{LINKS, similarity_after};
use super::protocol::Estimate;
use super::report::{Point, Row};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::collections::BTreeMap;

/// The first stage of a training, whose lines come first.
const FIRST: &str = "motif";

/// Something could not be drawn: a defect, since nothing of a picture comes from outside.
#[derive(Debug, thiserror::Error)]
#[error("a picture cannot be drawn: {0}")]
pub struct Error(String);

fn undrawn(error: impl std::fmt::Display) -> Error {
    Error(error.to_string())
}

/// Pixels.
const WIDTH: u32 = 800;
const ROW: u32 = 26;
const TEXT: (&str, u32) = ("sans-serif", 14);
const TITLE: (&str, u32) = ("sans-serif", 17);

/// A metric between 0 and 1 of every method with its interval, the first on top and in another colour.
///
/// # Errors
/// When drawing fails.
pub fn intervals(title: &str, rows: &[Row], metric: &str) -> Result<String, Error> {
    let known = rows.iter().rev().filter_map(|row| {
        let estimate = row.metrics.get(metric)?;
        Some((row.name.as_str(), *estimate))
    });
    let known: Vec<(&str, Estimate)> = known.collect();
    let last = known.len().saturating_sub(1);
    let mut svg = String::new();
    {
        let size = (WIDTH, 90 + ROW * known.len() as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE).map_err(undrawn)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, TITLE)
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(250)
            .build_cartesian_2d(0.0..1.0, (0..last).into_segmented())
            .map_err(undrawn)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .max_light_lines(1)
            .y_labels(known.len())
            .y_label_formatter(&|place| match place {
                SegmentValue::CenterOf(at) => known.get(*at).map_or("", |row| row.0).to_owned(),
                _ => String::new(),
            })
            .x_desc(metric)
            .label_style(TEXT)
            .draw()
            .map_err(undrawn)?;
        let bars = known.iter().enumerate().map(|(at, (_, estimate))| {
            let Estimate { mean, low, high } = *estimate;
            let colour = if at == last { RED } else { BLUE };
            let place = SegmentValue::CenterOf(at);
            ErrorBar::new_horizontal(place, low, mean, high, colour.filled(), 10)
        });
        chart.draw_series(bars).map_err(undrawn)?;
        area.present().map_err(undrawn)?;
    }
    Ok(svg)
}

/// How similar a graph stays to itself by one method the more it is edited. Similarities of
/// different methods cannot be held against each other, so there is one picture a method.
///
/// # Errors
/// When drawing fails.
pub fn falling(title: &str, row: &Row) -> Result<String, Error> {
    let most = LINKS.last().copied().unwrap_or(1) as f64;
    let points = LINKS.iter().filter_map(|edits| {
        let estimate = row.metrics.get(&similarity_after(*edits))?;
        Some((*edits as f64, *estimate))
    });
    let points: Vec<(f64, Estimate)> = points.collect();
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 420)).into_drawing_area();
        area.fill(&WHITE).map_err(undrawn)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, TITLE)
            .margin(10)
            .x_label_area_size(45)
            .y_label_area_size(55)
            .build_cartesian_2d((1.0..most).log_scale().base(2.0), 0.0..1.0)
            .map_err(undrawn)?;
        chart
            .configure_mesh()
            .max_light_lines(1)
            .x_desc("edits")
            .y_desc(format!("similarity by {}", row.name))
            .x_labels(LINKS.len())
            .label_style(TEXT)
            .draw()
            .map_err(undrawn)?;
        let means = points
            .iter()
            .map(|(edits, estimate)| (*edits, estimate.mean));
        chart
            .draw_series(LineSeries::new(means, RED.stroke_width(2)))
            .map_err(undrawn)?;
        let bars = points.iter().map(|(edits, estimate)| {
            let Estimate { mean, low, high } = *estimate;
            ErrorBar::new_vertical(*edits, low, mean, high, RED.filled(), 10)
        });
        chart.draw_series(bars).map_err(undrawn)?;
        area.present().map_err(undrawn)?;
    }
    Ok(svg)
}

/// How a training went on its validation families: the loss on the left, MAP@20 on the right, a
/// line for each fold, the second stage behind the first.
///
/// # Errors
/// When drawing fails.
pub fn training(title: &str, curve: &[Point]) -> Result<String, Error> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 360)).into_drawing_area();
        area.fill(&WHITE).map_err(undrawn)?;
        let area = area.titled(title, TITLE).map_err(undrawn)?;
        let (left, right) = area.split_horizontally(WIDTH / 2);
        panel(&left, curve, "loss", |point| point.loss)?;
        panel(&right, curve, "validation MAP@20", |point| point.map)?;
        area.present().map_err(undrawn)?;
    }
    Ok(svg)
}

/// One line a stage and fold of `curve`.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    curve: &[Point],
    name: &str,
    value: impl Fn(&Point) -> f64,
) -> Result<(), Error> {
    // Where the second stage begins.
    let first = curve.iter().filter(|point| point.stage == FIRST);
    let begin = first.map(|point| point.step).max().unwrap_or(0);
    let mut lines: BTreeMap<(&str, u64), Vec<(f64, f64)>> = BTreeMap::new();
    for point in curve {
        let before = if point.stage == FIRST { 0 } else { begin };
        let place = ((before + point.step) as f64, value(point));
        let line = lines.entry((&point.stage, point.fold)).or_default();
        line.push(place);
    }
    let places = || lines.values().flatten();
    let steps = places().map(|place| place.0).fold(1.0, f64::max);
    let most = places().map(|place| place.1).fold(1e-3, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..steps, 0.0..1.05 * most)
        .map_err(undrawn)?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .x_desc("steps of stage 1 (blue), then of stage 2 (red)")
        .y_desc(name)
        .x_labels(6)
        .label_style(TEXT)
        .draw()
        .map_err(undrawn)?;
    for ((stage, _), line) in &lines {
        let colour = if *stage == FIRST { BLUE } else { RED };
        let series = LineSeries::new(line.iter().copied(), colour.stroke_width(2));
        chart.draw_series(series).map_err(undrawn)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, metrics: &[(String, f64)]) -> Row {
        let metrics = metrics.iter().map(|(metric, mean)| {
            let (low, high) = (mean - 0.1, mean + 0.1);
            let mean = *mean;
            (metric.clone(), Estimate { mean, low, high })
        });
        Row {
            name: name.into(),
            metrics: metrics.collect(),
            gain: BTreeMap::new(),
        }
    }

    #[test]
    fn every_method_with_the_metric_has_a_bar_and_better_is_further_right() {
        let map = |mean| [("map@20".to_owned(), mean)];
        let rows = [
            row("ours", &map(0.8)),
            row("theirs", &map(0.4)),
            row("unasked", &[]),
        ];
        let svg = intervals("Held-out families", &rows, "map@20").unwrap();
        assert!(svg.contains("ours") && svg.contains("theirs") && !svg.contains("unasked"));
        let means: Vec<f64> = svg
            .lines()
            .filter(|line| line.starts_with("<circle"))
            .filter_map(|line| line.split('"').nth(1)?.parse().ok())
            .collect();
        assert_eq!(means.len(), 2);
        assert!(means[0] < means[1], "drawn from below: {means:?}");
    }

    #[test]
    fn similarity_falls_from_left_to_right() {
        let value = |place: usize| 0.9 - 0.1 * place as f64;
        let links = LINKS.iter().enumerate();
        let links = links.map(|(place, edits)| (similarity_after(*edits), value(place)));
        let row = row("ours", &links.collect::<Vec<_>>());
        let svg = falling("Chains of edits", &row).unwrap();
        assert!(svg.contains("similarity by ours"));
        let heights: Vec<f64> = svg
            .lines()
            .filter(|line| line.starts_with("<circle"))
            .filter_map(|line| line.split('"').nth(3)?.parse().ok())
            .collect();
        assert_eq!(heights.len(), LINKS.len());
        assert!(heights.is_sorted(), "lower is further down: {heights:?}");
    }

    #[test]
    fn a_training_has_a_line_for_each_stage_and_fold_in_both_panels() {
        let point = |fold, stage: &str, step| Point {
            fold,
            stage: stage.into(),
            step,
            loss: 3.0 / step as f64,
            map: 0.5,
        };
        let stages = ["motif", "graph"];
        let points = stages.iter().flat_map(|stage| {
            (1..=2).flat_map(move |fold| [100, 200].map(|step| point(fold, stage, step)))
        });
        let svg = training("Training", &points.collect::<Vec<_>>()).unwrap();
        let lines = |colour: &str| {
            let lines = svg.lines().filter(|line| line.starts_with("<polyline"));
            lines.filter(|line| line.contains(colour)).count()
        };
        assert_eq!((lines("#0000FF"), lines("#FF0000")), (4, 4));
        assert!(svg.contains("validation MAP@20"));
    }
}

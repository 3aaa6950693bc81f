//! Lines over axes, as an SVG file.

use std::{fs, path::Path};

use buttress::prelude::BoxError;
use plotters::{
    coord::{
        Shift,
        ranged1d::{Ranged, ValueFormatter},
        types::RangedCoordf64,
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// Colours that also the colour-blind tell apart (M. Okabe and K. Ito, 2008), without the yellow,
/// which is too pale for a line.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

const WIDTH: u32 = 960;
const LEGEND_WIDTH: u32 = 170;

/// Text that begins where it is put, and is centred there in its height.
const LEFT_OF_CENTRE: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Center };
const PANEL_HEIGHT: u32 = 380;

/// One drawing of lines.
#[derive(Debug)]
pub(crate) struct Panel<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    /// Whether equal distances up mean equal factors; then no line may touch zero.
    pub(crate) logarithmic: bool,
    /// Whether to mark the points that the lines connect.
    pub(crate) marked: bool,
    pub(crate) lines: Vec<Line<'a>>,
}

/// A line through points, from left to right.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Writes the panels, one below the other, into a file; makes the folder that it is in.
pub(crate) fn write(path: &Path, panels: &[Panel<'_>]) -> Result<(), BoxError> {
    let svg = svg(panels)?;
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder
        .and_then(|()| fs::write(path, svg))
        .map_err(|error| format!("{}: {error}", path.display()).into())
}

fn svg(panels: &[Panel<'_>]) -> Result<String, BoxError> {
    let height = PANEL_HEIGHT * u32::try_from(panels.len())?;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE)?;
        for (area, panel) in area.split_evenly((panels.len(), 1)).iter().zip(panels) {
            panel.draw(area)?;
        }
        area.present()?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, Y> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, Y>>;

impl Panel<'_> {
    fn draw(&self, area: &Area<'_>) -> Result<(), BoxError> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let bounds = |of: fn(&(f64, f64)) -> f64| {
            let bound = |pick: fn(f64, f64) -> f64| points().map(of).reduce(pick).unwrap_or(0.0);
            (bound(f64::min), bound(f64::max))
        };
        let ((left, right), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));

        let (area, legend) = area.split_horizontally(WIDTH - LEGEND_WIDTH);
        self.name_lines(&legend)?;
        let mut chart = ChartBuilder::on(&area);
        chart
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(72);
        if self.logarithmic {
            let y = (low * 0.8..high * 1.25).log_scale();
            self.fill(chart.build_cartesian_2d(left..right, y)?)
        } else {
            self.fill(chart.build_cartesian_2d(left..right, 0.0..high * 1.05)?)
        }
    }

    fn fill<Y>(&self, mut chart: Chart<'_, Y>) -> Result<(), BoxError>
    where
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&|x| rounded(*x).to_string())
            .y_label_formatter(&|y| self.label(*y))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .label_style(("sans-serif", 13))
            .axis_desc_style(("sans-serif", 15))
            .draw()?;
        for (line, colour) in self.coloured() {
            let style = colour.stroke_width(2);
            chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
            if self.marked {
                let marks = line.points.iter().map(|&point| Circle::new(point, 3, colour.filled()));
                chart.draw_series(marks)?;
            }
        }
        Ok(())
    }

    /// The label of a line across. Where such lines draw together up to a power of ten, so would
    /// their labels.
    fn label(&self, y: f64) -> String {
        let label = rounded(y).to_string();
        let roomy = !self.logarithmic || label.starts_with(['1', '2', '5']);
        if roomy { label } else { String::new() }
    }

    /// Beside the drawing: over it, they would hide what it shows.
    fn name_lines(&self, area: &Area<'_>) -> Result<(), BoxError> {
        let text = ("sans-serif", 14).into_font().color(&BLACK).pos(LEFT_OF_CENTRE);
        let mut y = 56;
        for (line, colour) in self.coloured() {
            area.draw(&PathElement::new([(6, y), (30, y)], colour.stroke_width(3)))?;
            area.draw(&Text::new(line.name, (38, y), text.clone()))?;
            y += 24;
        }
        Ok(())
    }

    fn coloured(&self) -> impl Iterator<Item = (&Line<'_>, RGBColor)> {
        self.lines.iter().zip(COLOURS.into_iter().cycle())
    }
}

/// Without what adding up steps leaves in the last digits: 0.6 instead of 0.6000000000000001.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_drawn_in_a_colour_of_its_own_and_named() {
        for logarithmic in [false, true] {
            let line = |name, y| Line { name, points: vec![(1.0, y), (2.0, y * 10.0)] };
            let panel = Panel {
                title: "title",
                x: "across",
                y: "up",
                logarithmic,
                marked: true,
                lines: vec![line("low", 1.0), line("high", 30.0)],
            };
            let svg = svg(&[panel]).unwrap();
            for text in ["title", "across", "up", "low", "high"] {
                assert!(svg.lines().any(|line| line == text), "{text} is missing in {svg}");
            }
            for colour in ["#0072B2", "#D55E00"] {
                let of_colour = |what: &str| {
                    let elements = svg.split('<').filter(|element| element.starts_with(what));
                    elements.filter(|element| element.contains(colour)).count()
                };
                assert_eq!(of_colour("polyline"), 2, "the line, and the one beside its name");
                assert_eq!(of_colour("circle"), 2);
            }
        }
    }

    #[test]
    fn a_label_is_as_short_as_what_it_says() {
        let step = 0.2;
        assert_ne!((3.0 * step).to_string(), "0.6");
        assert_eq!(rounded(3.0 * step).to_string(), "0.6");
        assert_eq!(rounded(0.0001).to_string(), "0.0001");
        assert_eq!(rounded(1500.0).to_string(), "1500");
    }

    #[test]
    fn one_point_or_none_is_drawn_too() {
        for points in [vec![], vec![(3.0, 0.0)]] {
            let lines = vec![Line { name: "point", points: points.clone() }];
            let panel = Panel { title: "", x: "", y: "", logarithmic: false, marked: true, lines };
            let svg = svg(&[panel]).unwrap();
            assert!(!svg.contains("NaN"), "{svg}");
            assert_eq!(svg.matches("<circle").count(), points.len());
        }
    }
}

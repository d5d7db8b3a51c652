#pragma once

namespace gigawarp::ui {

/// Names the application for settings, and chooses style and palette: light or dark as the settings
/// say, else as the system does.
void prepare_application();
void apply_theme();

}  // namespace gigawarp::ui

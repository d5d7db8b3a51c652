#pragma once
#include <vector>

#include "ui/models/workspace.h"

namespace gigawarp::ui {

/// True when both images are shown over one another.
bool shows_both_images(const Workspace& workspace);

/// What a key changes that makes `chosen` more opaque (`step` > 0) or less; empty where nothing
/// changes. Labels and masks: their own opacity. Otherwise that of what is seen of the images. Two
/// of them are one scale from the fixed one alone to the moving one alone, with both at full in its
/// middle: first the one that is wanted more comes in fully, then the other one fades.
std::vector<LayerLook> fade(const Workspace& workspace, LayerRole chosen, double step);

/// "Fixed image: opacity 100 %, Moving image: opacity 80 %": of `looks` and, where one of two
/// images is among them, of both.
QString opacity_text(const Workspace& workspace, const std::vector<LayerLook>& looks);

}  // namespace gigawarp::ui

#pragma once
#include <QImage>
#include <filesystem>
#include <string>

#include "qc/report.h"

namespace gigawarp::render {

struct SheetOptions {
  int panel_pixels = 250;          ///< longest side of a panel
  int slices_per_plane = 3;        ///< axial, coronal and sagittal each
  double jacobian_log2_range = 1;  ///< colour scale from 1/2 to 2
};

/// One picture that shows whether a registration can be trusted: rows are axial, coronal and
/// sagittal slices, columns are fixed, warped, blend, edges of fixed over warped, difference, det J
/// and the deformation grid; with orientation letters, scale, positions in mm, names and figures.
/// Borrowed inputs. Needs a QGuiApplication for the text (render/offscreen.h).
QImage contact_sheet(const Volume& fixed, const qc::Assessment& assessment,
                     const SheetOptions& options = {});

/// A small picture of the same: the middle slices of the three planes side by side, edges of the
/// fixed image over the warped one, `height_pixels` high. Needs no QGuiApplication.
QImage thumbnail(const Volume& fixed, const qc::Assessment& assessment, int height_pixels = 180);

/// PNG, written beside and renamed. Throws Error{output_not_written}.
void write_png(const QImage& picture, const std::filesystem::path& path);

}  // namespace gigawarp::render

#pragma once
#include <QByteArray>
#include <vector>

#include "job/batch_folder.h"

namespace gigawarp::ui {

/// A page over a whole batch, worst first: thumbnail, figures, what went wrong and the verdict of
/// each pair, with links to its sheet beside the page. Thumbnails are in it. Threads: any.
QByteArray batch_page(const job::BatchFolder& batch, const std::vector<job::PairOutcome>& outcomes);

}  // namespace gigawarp::ui

#include <QBuffer>
#include <QCoreApplication>
#include <QDateTime>
#include <QImage>
#include <QPageSize>
#include <QPainter>
#include <QPdfWriter>
#include <QTextDocument>
#include <cmath>

#include "job/version.h"
#include "render/charts.h"
#include "render/contact_sheet.h"
#include "ui/models/results.h"

namespace gigawarp::ui {
namespace {

/// A4 less margins of 2 cm and a heading, in 96ths of an inch.
constexpr int kPaperWidth = 640, kPaperHeight = 860, kPaperDpi = 300, kPaperPoints = 9;

QString tr(const char* text) { return QCoreApplication::translate("gigawarp::ui", text); }

QString mm(double value, int digits = 2) {
  return QString::number(value, 'f', digits) + QStringLiteral(" mm");
}

QString distances(const qc::Distances& d, int digits) {
  return tr("mean %1, p95 %2, max %3")
      .arg(mm(d.mean_mm, digits), mm(d.p95_mm, digits), mm(d.max_mm, digits));
}

QString table_of(const QAbstractItemModel& model) {
  QString html = QStringLiteral("<table><tr>");
  for (int c = 0; c < model.columnCount(); ++c)
    html += QStringLiteral("<th>%1</th>")
                .arg(model.headerData(c, Qt::Horizontal).toString().toHtmlEscaped());
  html += QStringLiteral("</tr>\n");
  for (int r = 0; r < model.rowCount(); ++r) {
    html += QStringLiteral("<tr>");
    for (int c = 0; c < model.columnCount(); ++c) {
      const QVariant colour = model.index(r, c).data(Qt::DecorationRole);
      const QString mark = colour.isValid() ? QStringLiteral("<span style=\"color:%1\">■</span> ")
                                                  .arg(colour.value<QColor>().name())
                                            : QString();
      html += QStringLiteral("<td>%1%2</td>")
                  .arg(mark, model.index(r, c).data().toString().toHtmlEscaped());
    }
    html += QStringLiteral("</tr>\n");
  }
  return html + QStringLiteral("</table>\n");
}

enum class Medium { screen, paper };

/// A picture as part of the page; on paper as wide as the page, and in 96ths of an inch.
QString embedded(const QImage& picture, const QString& words, Medium medium) {
  const QSize paper = picture.size().scaled(kPaperWidth, kPaperHeight, Qt::KeepAspectRatio);
  const QString size =
      medium == Medium::paper
          ? QStringLiteral(" width=\"%1\" height=\"%2\"").arg(paper.width()).arg(paper.height())
          : QString();
  QByteArray png;
  QBuffer buffer(&png);
  buffer.open(QIODevice::WriteOnly);
  picture.save(&buffer, "PNG");
  return QStringLiteral("<p><img alt=\"%1\"%2 src=\"data:image/png;base64,").arg(words, size) +
         QString::fromLatin1(png.toBase64()) + QStringLiteral("\"></p>\n");
}

QImage histogram_picture(const qc::JacobianHistogram& histogram) {
  constexpr int kWidth = 560, kHeight = 220;
  QImage picture(kWidth, kHeight, QImage::Format_RGB32);
  QPainter painter(&picture);
  render::draw_jacobian_histogram(
      painter, picture.rect(), histogram,
      tr("Voxels (log scale), %1 folds of %2").arg(histogram.folds).arg(histogram.voxels),
      render::kPaper);
  return picture;
}

constexpr const char* kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1100px;padding:0 1em;"
    "color:#1d1f23;background:#fff}h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}"
    "table{border-collapse:collapse}td,th{padding:.2em 1em .2em 0;text-align:left;"
    "border-bottom:1px solid #ddd}img{max-width:100%;background:#141518}.dim{color:#666}"
    "@media(prefers-color-scheme:dark){body{background:#1b1d20;color:#e2e4e8}"
    "td,th{border-color:#444}.dim{color:#999}}";

/// What the layout of QTextDocument understands.
constexpr const char* kPaperStyle =
    "body{color:#1d1f23}h1{font-size:15pt}h2{font-size:12pt;margin-top:14px}"
    "td,th{padding:1px 14px 1px 0;text-align:left}.dim{color:#666666}";

}  // namespace

std::vector<std::pair<QString, QString>> figures_of(const qc::QcReport& r) {
  std::vector<std::pair<QString, QString>> figures;
  const auto add = [&](const QString& name, const QString& value) {
    figures.emplace_back(name, value);
  };
  if (r.before && r.after)
    add(tr("Similarity (NCC)"),
        tr("%1, before %2").arg(r.after->ncc, 0, 'f', 3).arg(r.before->ncc, 0, 'f', 3));
  if (r.local_ncc_mean)
    add(tr("Local correlation"), tr("mean %1").arg(*r.local_ncc_mean, 0, 'f', 3));
  if (r.jacobian) {
    add(tr("Folds"),
        tr("%1 voxels (%2 %)").arg(r.jacobian->folds).arg(r.jacobian->folds_percent, 0, 'g', 3));
    add(tr("det J"), tr("%1 to %2, SD of log %3")
                         .arg(r.jacobian->minimum, 0, 'f', 2)
                         .arg(r.jacobian->maximum, 0, 'f', 2)
                         .arg(r.jacobian->sd_log, 0, 'f', 3));
  }
  if (r.inverse_error) add(tr("Inverse error"), distances(*r.inverse_error, 3));
  if (r.overlap)
    add(tr("Labels (Dice)"), tr("mean %1, 30th percentile %2, %3 labels")
                                 .arg(r.overlap->dice_mean, 0, 'f', 3)
                                 .arg(r.overlap->dice_p30, 0, 'f', 3)
                                 .arg(r.overlap->labels.size()));
  if (r.overlap && r.overlap->hd95_mean_mm >= 0)
    add(tr("Labels (HD95)"), tr("mean %1").arg(mm(r.overlap->hd95_mean_mm)));
  if (r.inverse_overlap)
    add(tr("Labels, inverse (Dice)"), tr("mean %1").arg(r.inverse_overlap->dice_mean, 0, 'f', 3));
  if (r.landmarks) {
    if (r.landmarks->held_out.points > 0) {
      add(tr("Landmarks held out (TRE)"), distances(r.landmarks->held_out, 2));
      if (r.landmarks->used.points > 0)
        add(tr("Landmarks used (fit)"), distances(r.landmarks->used, 2));
    } else {
      add(tr("Landmarks"), distances(r.landmarks->after, 2));
    }
    add(tr("Landmarks before"), distances(r.landmarks->before, 2));
  }
  return figures;
}

namespace {

/// Files, what was measured on a coarse level, and the figures.
QString head_of(const Judgement& judgement, const QString& title, Medium medium) {
  const qc::QcReport& report = judgement.assessment.report;
  QString html =
      QStringLiteral("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n") +
      QStringLiteral("<title>%1</title><style>%2</style></head><body>\n")
          .arg(title.toHtmlEscaped(),
               QLatin1String(medium == Medium::paper ? kPaperStyle : kStyle));
  html += QStringLiteral("<h1>%1</h1>\n").arg(title.toHtmlEscaped());
  const auto line = [&](const QString& name, const std::string& value) {
    html += QStringLiteral("<div><b>%1</b> %2</div>\n")
                .arg(name, QString::fromStdString(value).toHtmlEscaped());
  };
  line(tr("Fixed"), report.fixed);
  line(tr("Moving"), report.moving);
  line(tr("Results"), report.transform);
  if (!judgement.coarse.isEmpty())
    html += QStringLiteral("<p>%1</p>\n").arg(judgement.coarse.toHtmlEscaped());
  html += QStringLiteral("<h2>%1</h2>\n<table>\n").arg(tr("Figures"));
  for (const auto& [name, value] : figures_of(report))
    html += QStringLiteral("<tr><th>%1</th><td>%2</td></tr>\n")
                .arg(name.toHtmlEscaped(), value.toHtmlEscaped());
  return html + QStringLiteral("</table>\n");
}

QString report_text(const Judgement& judgement, const QString& title, const io::LabelNames& names,
                    Medium medium) {
  const qc::QcReport& report = judgement.assessment.report;
  QString html = head_of(judgement, title, medium);
  // On paper the contact sheet has a page of its own, so that it is not cut in two.
  html += QStringLiteral("<h2%1>%2</h2>\n")
              .arg(medium == Medium::paper ? QStringLiteral(" style=\"page-break-before:always\"")
                                           : QString(),
                   tr("Pictures"));
  html +=
      embedded(render::contact_sheet(*judgement.fixed, judgement.assessment),
               tr("Contact sheet: fixed, warped, blend, edges, difference, det J, grid"), medium);
  html +=
      embedded(histogram_picture(judgement.jacobian_histogram), tr("Histogram of det J"), medium);
  if (!judgement.worst.empty()) {
    html += QStringLiteral("<h2>%1</h2>\n<table>\n").arg(tr("Where to look first"));
    for (const qc::WorstPlace& place : judgement.worst)
      html += QStringLiteral("<tr><td>%1</td><td>%2</td></tr>\n")
                  .arg(QString::fromStdString(place.reason).toHtmlEscaped(),
                       tr("L %1, P %2, S %3 mm")
                           .arg(place.position_mm[0], 0, 'f', 1)
                           .arg(place.position_mm[1], 0, 'f', 1)
                           .arg(place.position_mm[2], 0, 'f', 1));
    html += QStringLiteral("</table>\n");
  }
  if (report.overlap) {
    OverlapModel model;
    model.set(report.overlap, names);
    html += QStringLiteral("<h2>%1</h2>\n").arg(tr("Labels")) + table_of(model);
  }
  if (report.landmarks) {
    LandmarkModel model;
    model.set(report.landmarks);
    html += QStringLiteral("<h2>%1</h2>\n").arg(tr("Landmarks")) + table_of(model);
  }
  html += QStringLiteral("<p class=\"dim\">Gigawarp %1, %2</p></body></html>\n")
              .arg(QString::fromUtf8(job::version().data()),
                   QDateTime::currentDateTimeUtc().toString(Qt::ISODate));
  return html;
}

}  // namespace

QByteArray html_report(const Judgement& judgement, const QString& title,
                       const io::LabelNames& names) {
  return report_text(judgement, title, names, Medium::screen).toUtf8();
}

QByteArray pdf_report(const Judgement& judgement, const QString& title,
                      const io::LabelNames& names) {
  QByteArray pdf;
  QBuffer buffer(&pdf);
  buffer.open(QIODevice::WriteOnly);
  {
    QPdfWriter writer(&buffer);
    writer.setTitle(title);
    writer.setCreator(QStringLiteral("Gigawarp %1").arg(QString::fromUtf8(job::version().data())));
    writer.setResolution(kPaperDpi);
    writer.setPageSize(QPageSize(QPageSize::A4));
    writer.setPageMargins({0, 0, 0, 0});  // print() leaves 2 cm itself
    QTextDocument document;
    document.setDefaultFont(QFont(QStringLiteral("sans-serif"), kPaperPoints));
    document.setHtml(report_text(judgement, title, names, Medium::paper));
    document.print(&writer);
  }
  return pdf;
}

}  // namespace gigawarp::ui

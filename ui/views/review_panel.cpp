#include "ui/views/review_panel.h"

#include <QDesktopServices>
#include <QFileInfo>
#include <QGridLayout>
#include <QHeaderView>
#include <QKeyEvent>
#include <QPainter>
#include <QStyledItemDelegate>
#include <QTextOption>
#include <QUrl>
#include <QVBoxLayout>

#include "ui/views/list_parts.h"

namespace gigawarp::ui {
namespace {

constexpr int kRestMs = 350, kRowHeight = 112, kMargin = 5;

/// A row as one card: thumbnail, name, figures, verdict with a mark of its colour and shape.
class PairDelegate final : public QStyledItemDelegate {
 public:
  using QStyledItemDelegate::QStyledItemDelegate;
  QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex&) const override {
    return {260, kRowHeight};
  }
  void paint(QPainter* painter, const QStyleOptionViewItem& option,
             const QModelIndex& index) const override {
    const auto text = [&](int column) {
      return index.sibling(index.row(), column).data().toString();
    };
    const bool selected = (option.state & QStyle::State_Selected) != 0;
    painter->save();
    if (selected) painter->fillRect(option.rect, option.palette.highlight());
    painter->setPen(option.palette.color(QPalette::Mid));
    painter->drawLine(option.rect.bottomLeft(), option.rect.bottomRight());
    const QRect inner = option.rect.adjusted(kMargin, kMargin, -kMargin, -kMargin);
    const int line = option.fontMetrics.height();
    const QRect picture(inner.left(), inner.top() + line + 2, inner.width(),
                        inner.height() - 2 * line - 6);
    const auto thumbnail = index.data(Qt::DecorationRole).value<QImage>();
    draw_picture(*painter, picture, thumbnail);
    const QString verdict = text(ReviewModel::verdict_column);
    const int width = option.fontMetrics.horizontalAdvance(verdict) + 4;
    painter->setPen(option.palette.color(selected ? QPalette::HighlightedText : QPalette::Text));
    const QRect top(inner.left(), inner.top(), inner.width() - width - 6, line);
    QFont bold = option.font;
    bold.setBold(true);
    painter->setFont(bold);
    painter->drawText(top, Qt::AlignLeft,
                      QFontMetrics(bold).elidedText(text(ReviewModel::pair_column), Qt::ElideMiddle,
                                                    top.width()));
    painter->drawText(inner, Qt::AlignRight | Qt::AlignTop, verdict);
    painter->setFont(option.font);
    const QRect bottom(inner.left(), inner.bottom() - line + 1, inner.width(), line);
    if (thumbnail.isNull()) {  // why there is none takes its place
      QTextOption whole;
      whole.setWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
      painter->drawText(QRectF(picture.united(bottom)), text(ReviewModel::figures_column), whole);
    } else {
      painter->drawText(bottom, Qt::AlignLeft,
                        option.fontMetrics.elidedText(text(ReviewModel::figures_column),
                                                      Qt::ElideRight, bottom.width()));
    }
    painter->restore();
  }

 private:
  static void draw_picture(QPainter& painter, const QRect& where, const QImage& picture) {
    if (picture.isNull()) return;
    const QSize size = picture.size().scaled(where.size(), Qt::KeepAspectRatio);
    painter.setRenderHint(QPainter::SmoothPixmapTransform);
    painter.drawImage(QRect(where.topLeft(), size), picture);
  }
};

}  // namespace

ReviewPanel::ReviewPanel(ReviewModel& model, QWidget* parent) : QWidget(parent), model_(model) {
  setObjectName(QStringLiteral("review_panel"));
  summary_ = new QLabel(this);
  summary_->setObjectName(QStringLiteral("review_summary"));
  summary_->setWordWrap(true);
  problem_ = new QLabel(this);
  hold_names(*problem_);
  table_ = new QTableView(this);
  table_->setObjectName(QStringLiteral("review_list"));
  table_->setAccessibleName(tr("Pairs of the batch, worst first"));
  table_->setModel(&model_);
  table_->setItemDelegate(new PairDelegate(table_));
  table_->setColumnHidden(ReviewModel::figures_column, true);
  table_->setColumnHidden(ReviewModel::verdict_column, true);
  table_->horizontalHeader()->setStretchLastSection(true);
  table_->horizontalHeader()->setSectionResizeMode(ReviewModel::pair_column, QHeaderView::Stretch);
  table_->verticalHeader()->hide();
  table_->verticalHeader()->setDefaultSectionSize(kRowHeight);
  table_->setShowGrid(false);
  table_->setTabKeyNavigation(false);
  table_->setSelectionMode(QAbstractItemView::SingleSelection);
  table_->setSelectionBehavior(QAbstractItemView::SelectRows);
  table_->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
  table_->installEventFilter(this);
  const auto button = [this](const QString& text, const QString& help, const char* name,
                             std::function<void()> work) {
    auto* b = new QPushButton(text, this);
    b->setObjectName(QLatin1String(name));
    b->setToolTip(help);
    b->setFocusPolicy(Qt::TabFocus);
    connect(b, &QPushButton::clicked, this, [work = std::move(work)] { work(); });
    return b;
  };
  using Kind = job::VerdictKind;
  accept_ = button(tr("Accept  A"), tr("The pair is good; on to the next"), "review_accept",
                   [this] { judge(Kind::accepted); });
  reject_ = button(tr("Reject  R"), tr("The pair is not usable; on to the next"), "review_reject",
                   [this] { judge(Kind::rejected); });
  fix_ = button(tr("Fix  F"), tr("Opens the pair with its job, to be done again by hand"),
                "review_fix", [this] { judge(Kind::fix); });
  undo_ = button(tr("Undo  U"), tr("Takes the verdict back"), "review_undo",
                 [this] { judge(Kind::none); });
  rejects_ = button(tr("List of rejects…"), tr("Writes rejects.csv, which batch runs again"),
                    "review_rejects", [this] { model_.write_rejects(); });
  page_ = button(tr("Contact sheet…"), tr("Writes index.html with the verdicts and opens it"),
                 "review_page", [this] { model_.write_page(); });
  auto* buttons = new QGridLayout;
  int at = 0;
  for (QPushButton* b : {accept_, reject_, fix_, undo_, rejects_, page_}) {
    buttons->addWidget(b, at / 2, at % 2);
    ++at;
  }
  auto* column = new QVBoxLayout(this);
  column->addWidget(summary_);
  column->addWidget(table_, 1);
  column->addWidget(problem_);
  column->addLayout(buttons);
  rest_.setSingleShot(true);
  rest_.setInterval(kRestMs);
  connect(&rest_, &QTimer::timeout, this, &ReviewPanel::open_selected);
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, &rest_,
          qOverload<>(&QTimer::start));
  connect(table_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
          &ReviewPanel::show_state);
  connect(&model_, &ReviewModel::changed, this, &ReviewPanel::show_state);
  connect(&model_, &ReviewModel::modelReset, this, [this] {
    opened_.clear();
    select(model_.next_open(-1) >= 0 ? model_.next_open(-1) : 0);
    table_->setFocus();
  });
  connect(&model_, &ReviewModel::failed, this, &ReviewPanel::message);
  connect(&model_, &ReviewModel::written, this, [this](const QString& file) {
    const bool is_page = file.endsWith(QLatin1String(".html"));
    Q_EMIT message(is_page ? tr("Contact sheet written to %1").arg(file)
                           : tr("Run them again with: gigawarp batch %1 --out FOLDER").arg(file));
    if (is_page && !qEnvironmentVariableIsSet("GIGAWARP_NO_BROWSER"))
      QDesktopServices::openUrl(QUrl::fromLocalFile(file));
  });
  show_state();
}

int ReviewPanel::row() const { return table_->currentIndex().row(); }

void ReviewPanel::select(int row) {
  if (row < 0 || row >= model_.rowCount()) return;
  table_->setCurrentIndex(model_.index(row, ReviewModel::pair_column));
  table_->scrollTo(table_->currentIndex());
}

void ReviewPanel::show_state() {
  const bool open = model_.is_open();
  summary_->setText(open ? model_.summary()
                         : tr("No batch is open. \"gigawarp batch pairs.csv --out results\" runs "
                              "many pairs; open its folder with File, Open a batch."));
  const int at = row();
  const bool chosen = open && at >= 0 && at < model_.rowCount();
  const bool failed = chosen && model_.outcome(at).state == job::PairState::failed;
  problem_->setText(failed ? QString::fromStdString(model_.outcome(at).problem) : QString());
  problem_->setVisible(failed);
  const bool done = chosen && model_.outcome(at).state == job::PairState::done;
  accept_->setEnabled(done);
  reject_->setEnabled(done || failed);
  fix_->setEnabled(chosen);
  undo_->setEnabled(chosen && model_.outcome(at).verdict.kind != job::VerdictKind::none);
  rejects_->setEnabled(open);
  page_->setEnabled(open);
}

void ReviewPanel::open_selected() {
  const int at = row();
  if (at < 0 || at >= model_.rowCount()) return;
  const QString folder = model_.folder_of(at);
  if (folder == opened_ || model_.outcome(at).state != job::PairState::done) return;
  opened_ = folder;
  Q_EMIT pair_wanted(folder);
}

void ReviewPanel::judge(job::VerdictKind kind) {
  const int at = row();
  if (at < 0 || at >= model_.rowCount()) return;
  const job::PairState state = model_.outcome(at).state;
  const bool done = state == job::PairState::done;
  if (kind == job::VerdictKind::accepted && !done) return;
  if (kind == job::VerdictKind::rejected && !done && state != job::PairState::failed) return;
  model_.set_verdict(at, kind);
  if (kind == job::VerdictKind::fix) {
    opened_.clear();
    Q_EMIT fix_wanted(model_.pair(at).job);
    return;
  }
  if (kind == job::VerdictKind::none) return;
  if (const int next = model_.next_open(at); next >= 0) select(next);
}

bool ReviewPanel::take_key(int key) {
  switch (key) {
    case Qt::Key_A: judge(job::VerdictKind::accepted); return true;
    case Qt::Key_R: judge(job::VerdictKind::rejected); return true;
    case Qt::Key_F: judge(job::VerdictKind::fix); return true;
    case Qt::Key_U: judge(job::VerdictKind::none); return true;
    case Qt::Key_Return:
    case Qt::Key_Enter: open_selected(); return true;
    default: return false;
  }
}

/// The list's letters go before the window's keys.
bool ReviewPanel::eventFilter(QObject* watched, QEvent* event) {
  if (event->type() != QEvent::ShortcutOverride && event->type() != QEvent::KeyPress)
    return QWidget::eventFilter(watched, event);
  const auto* key = static_cast<QKeyEvent*>(event);
  if (key->modifiers() != Qt::NoModifier && key->modifiers() != Qt::KeypadModifier) return false;
  const bool ours = key->key() == Qt::Key_A || key->key() == Qt::Key_R || key->key() == Qt::Key_F ||
                    key->key() == Qt::Key_U;
  if (event->type() == QEvent::ShortcutOverride) {
    if (ours) event->accept();
    return ours;
  }
  return take_key(key->key());
}

}  // namespace gigawarp::ui

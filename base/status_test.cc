#include "base/status.h"

#include <errno.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(ErrnoStatusTest, HasTheCallTheReasonAndACode) {
  const absl::Status status = ErrnoStatus(ENOENT, "open /dev/kvm");

  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "open /dev/kvm: No such file or directory");
}

TEST(AnnotateTest, PutsTheContextBefore) {
  const absl::Status status = Annotate(absl::DataLossError("file is short"), "disk a.img");

  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(status.message(), "disk a.img: file is short");
}

TEST(AnnotateTest, OkStaysOk) { EXPECT_EQ(Annotate(absl::OkStatus(), "x"), absl::OkStatus()); }

absl::Status Returns(const absl::Status& status, bool& went_on) {
  RETURN_IF_ERROR(status);
  went_on = true;
  return absl::OkStatus();
}

TEST(ReturnIfErrorTest, GoesOnWhenOk) {
  bool went_on = false;

  EXPECT_TRUE(Returns(absl::OkStatus(), went_on).ok());

  EXPECT_TRUE(went_on);
}

TEST(ReturnIfErrorTest, ReturnsTheError) {
  bool went_on = false;

  EXPECT_EQ(Returns(absl::AbortedError("no"), went_on), absl::AbortedError("no"));

  EXPECT_FALSE(went_on);
}

absl::StatusOr<int> Sum(absl::StatusOr<int> a, absl::StatusOr<std::unique_ptr<int>> b) {
  ASSIGN_OR_RETURN(const int first, a);
  std::unique_ptr<int> second;
  ASSIGN_OR_RETURN(second, std::move(b));
  return first + *second;
}

TEST(AssignOrReturnTest, DeclaresAndAssignsAlsoWhatOnlyMoves) {
  EXPECT_EQ(Sum(1, std::make_unique<int>(2)).value(), 3);
}

TEST(AssignOrReturnTest, ReturnsTheFirstError) {
  EXPECT_EQ(Sum(absl::AbortedError("a"), absl::CancelledError("b")).status(),
            absl::AbortedError("a"));
  EXPECT_EQ(Sum(1, absl::CancelledError("b")).status(), absl::CancelledError("b"));
}

}  // namespace
}  // namespace touchstone

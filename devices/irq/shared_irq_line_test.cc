#include "devices/irq/shared_irq_line.h"

#include <thread>

#include "devices/irq/recording_irq_line.h"
#include "gtest/gtest.h"

namespace touchstone {
namespace {

TEST(SharedIrqLineTest, OutputIsTheOrOfTheInputs) {
  RecordingIrqLine output;
  SharedIrqLine line(output);
  IrqLine& a = line.AddInput();
  IrqLine& b = line.AddInput();

  a.Set(true);
  b.Set(true);
  a.Set(false);
  EXPECT_TRUE(output.level());
  EXPECT_EQ(output.rising_edges(), 1);

  b.Set(false);
  EXPECT_FALSE(output.level());
}

TEST(SharedIrqLineTest, RepeatedLevelsCountOnce) {
  RecordingIrqLine output;
  SharedIrqLine line(output);
  IrqLine& a = line.AddInput();

  a.Set(true);
  a.Set(true);
  a.Set(false);

  EXPECT_FALSE(output.level());
  a.Set(false);
  a.Set(true);
  EXPECT_TRUE(output.level());
  EXPECT_EQ(output.rising_edges(), 2);
}

TEST(SharedIrqLineTest, EndsLowAfterConcurrentPulses) {
  RecordingIrqLine output;
  SharedIrqLine line(output);
  const auto pulse = [](IrqLine& input) {
    for (int i = 0; i < 10000; ++i) {
      input.Set(true);
      input.Set(false);
    }
  };
  IrqLine& a = line.AddInput();
  IrqLine& b = line.AddInput();

  std::thread other([&] { pulse(a); });
  pulse(b);
  other.join();

  EXPECT_FALSE(output.level());
  EXPECT_GE(output.rising_edges(), 1);
}

}  // namespace
}  // namespace touchstone

#include "vmm/config/colons.h"

#include <string>

#include "absl/status/status.h"
#include "devices/module/text_proto.h"
#include "gtest/gtest.h"
#include "vmm/config/input.pb.h"
#include "vmm/config/option_messages_schema.h"
#include "vmm/config/storage.pb.h"

namespace touchstone {
namespace {

using ::testing::Values;

struct Accepted {
  const char* text;
  const char* proto;
};

class KeyedColons : public testing::TestWithParam<Accepted> {};

TEST_P(KeyedColons, AreRead) {
  SharedDirConfig config;
  SharedDirConfig expected;
  ASSERT_TRUE(ReadTextProto(GetParam().proto, expected).ok());

  const absl::Status status = ParseColons(GetParam().text, /*keyed=*/true, config);

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(WriteTextProto(config), WriteTextProto(expected));
}

// crosvm.md 1.5.
INSTANTIATE_TEST_SUITE_P(
    All, KeyedColons,
    Values(Accepted{"/srv:data", "source: '/srv' tag: 'data'"},
           Accepted{"/a=b:t=1", "source: '/a=b' tag: 't=1'"},
           Accepted{"/srv:data:type=9P", "source: '/srv' tag: 'data' type: P9"},
           Accepted{"/srv:data:type=fs:uidmap=0 1000 1,1 5 2:cache_policy=always:dax=true",
                    "source: '/srv' tag: 'data' type: FS uidmap: '0 1000 1,1 5 2' cache: ALWAYS "
                    "dax: true"},
           Accepted{"/srv:data:timeout=0x10:uid=7:gid=8",
                    "source: '/srv' tag: 'data' timeout: 16 uid: 7 gid: 8"}));

struct Refused {
  const char* text;
  const char* error;
};

class RefusedKeyedColons : public testing::TestWithParam<Refused> {};

TEST_P(RefusedKeyedColons, AreRefused) {
  SharedDirConfig config;

  const absl::Status status = ParseColons(GetParam().text, /*keyed=*/true, config);

  EXPECT_EQ(std::string(status.message()).substr(0, std::string(GetParam().error).size()),
            GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedKeyedColons,
    Values(Refused{"", "key 'source' is empty"}, Refused{"/srv", "key 'tag' is missing"},
           Refused{":data", "key 'source' is empty"}, Refused{"/srv:", "key 'tag' is empty"},
           Refused{"/srv:data:ro", "'ro' is not KEY=VALUE, the keys are source, tag, type, "},
           Refused{"/srv:data:", "'' is not KEY=VALUE"},
           Refused{"/srv:data:cach=never", "unknown key 'cach', the keys are source, "},
           Refused{"/srv:data:type=nfs", "key 'type': 'nfs' is not one of p9, fs"},
           Refused{"/srv:data:uid=x", "key 'uid': 'x' is not a number from 0 to 4294967295"},
           Refused{"/srv:data:uid=1:uid=2", "key 'uid' is given twice"},
           Refused{"/srv:data:tag=x", "key 'tag' is given twice"},
           Refused{"/srv:data:dax=yes", "key 'dax': 'yes' is not true or false"}));

class PlainColons : public testing::TestWithParam<Accepted> {};

TEST_P(PlainColons, AreRead) {
  TouchConfig config;
  TouchConfig expected;
  ASSERT_TRUE(ReadTextProto(GetParam().proto, expected).ok());

  const absl::Status status = ParseColons(GetParam().text, /*keyed=*/false, config);

  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(WriteTextProto(config), WriteTextProto(expected));
}

INSTANTIATE_TEST_SUITE_P(All, PlainColons,
                         Values(Accepted{"/s", "path: '/s'"},
                                Accepted{"/s:800:600", "path: '/s' width: 800 height: 600"},
                                Accepted{"/s:800:600:my touch",
                                         "path: '/s' width: 800 height: 600 name: 'my touch'"}));

class RefusedPlainColons : public testing::TestWithParam<Refused> {};

TEST_P(RefusedPlainColons, AreRefused) {
  TouchConfig config;

  EXPECT_EQ(ParseColons(GetParam().text, /*keyed=*/false, config).message(), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedPlainColons,
    Values(Refused{"", "key 'path' is empty"}, Refused{"/s:", "key 'width' is empty"},
           Refused{"/s:1:2:n:more", "unexpected 'more' after 4 values"},
           Refused{"/s:wide", "key 'width': 'wide' is not a number from 0 to 4294967295"}));

}  // namespace
}  // namespace touchstone

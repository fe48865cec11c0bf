// The register map of the 16550A UART (National Semiconductor PC16550D data sheet, section 8),
// shared by the device, its test and its fuzzer.
//
//   offset  DLAB=0 read        DLAB=0 write       DLAB=1
//     0     RBR receive        THR transmit       DLL divisor, low
//     1     IER                IER                DLM divisor, high
//     2     IIR                FCR                IIR / FCR
//     3     LCR                LCR
//     4     MCR                MCR
//     5     LSR                -
//     6     MSR                -
//     7     SCR                SCR

#ifndef TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_REGISTERS_H_
#define TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_REGISTERS_H_

#include <cstddef>
#include <cstdint>

namespace touchstone {

inline constexpr uint64_t kSerialPortCount = 8;
inline constexpr size_t kSerialFifoSize = 16;

// Where a PC has COM1 to COM4, and their interrupts (crosvm.md 1.4).
struct SerialPortAddress {
  uint16_t port;
  int irq;
};
inline constexpr SerialPortAddress kSerialPorts[] = {
    {0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

// Offsets.
inline constexpr uint64_t kSerialRbr = 0;  // receive buffer, on read
inline constexpr uint64_t kSerialThr = 0;  // transmit holding register, on write
inline constexpr uint64_t kSerialDll = 0;  // divisor latch, low byte, with DLAB
inline constexpr uint64_t kSerialIer = 1;  // interrupt enable
inline constexpr uint64_t kSerialDlm = 1;  // divisor latch, high byte, with DLAB
inline constexpr uint64_t kSerialIir = 2;  // interrupt identification, on read
inline constexpr uint64_t kSerialFcr = 2;  // FIFO control, on write
inline constexpr uint64_t kSerialLcr = 3;  // line control
inline constexpr uint64_t kSerialMcr = 4;  // modem control
inline constexpr uint64_t kSerialLsr = 5;  // line status
inline constexpr uint64_t kSerialMsr = 6;  // modem status
inline constexpr uint64_t kSerialScr = 7;  // scratch

// IER
inline constexpr uint8_t kIerReceive = 0x01;     // data available and character time-out
inline constexpr uint8_t kIerTransmit = 0x02;    // transmit holding register empty
inline constexpr uint8_t kIerLineStatus = 0x04;  // overrun, parity, framing, break
inline constexpr uint8_t kIerModem = 0x08;       // a modem input changed
inline constexpr uint8_t kIerMask = 0x0f;        // the other bits read 0

// IIR: the source of highest priority, highest first.
inline constexpr uint8_t kIirLineStatus = 0x06;   // cleared by reading LSR
inline constexpr uint8_t kIirReceive = 0x04;      // cleared by falling below the trigger level
inline constexpr uint8_t kIirCharTimeout = 0x0c;  // fewer bytes than that wait; cleared by RBR
inline constexpr uint8_t kIirTransmit = 0x02;     // cleared by this read or by writing THR
inline constexpr uint8_t kIirModem = 0x00;        // cleared by reading MSR
inline constexpr uint8_t kIirNone = 0x01;         // no interrupt is pending
inline constexpr uint8_t kIirFifo = 0xc0;         // FIFOs are on

// FCR
inline constexpr uint8_t kFcrEnable = 0x01;         // FIFOs on; the other bits count only with it
inline constexpr uint8_t kFcrClearReceive = 0x02;   // empties the receive FIFO
inline constexpr uint8_t kFcrClearTransmit = 0x04;  // empties the transmit FIFO
inline constexpr uint8_t kFcrDmaMode = 0x08;        // a matter of two pins that nothing is wired to
inline constexpr uint8_t kFcrTriggerMask = 0xc0;    // receive trigger level: 1, 4, 8, 14 bytes
inline constexpr int kFcrTriggerShift = 6;
inline constexpr uint8_t kSerialTriggerLevels[] = {1, 4, 8, 14};

// LCR: word length, stop bits, parity and break are kept and change nothing: bytes are not sent
// over a line.
inline constexpr uint8_t kLcr8Bits = 0x03;    // word length 8
inline constexpr uint8_t kLcrBreak = 0x40;    // holds the line low
inline constexpr uint8_t kLcrDivisor = 0x80;  // DLAB: offsets 0 and 1 are the divisor

// MCR
inline constexpr uint8_t kMcrDtr = 0x01;   // data terminal ready; DSR in loopback
inline constexpr uint8_t kMcrRts = 0x02;   // request to send; CTS in loopback
inline constexpr uint8_t kMcrOut1 = 0x04;  // RI in loopback
inline constexpr uint8_t kMcrOut2 = 0x08;  // DCD in loopback
inline constexpr uint8_t kMcrLoop = 0x10;  // loopback: the transmitter feeds the receiver
inline constexpr uint8_t kMcrMask = 0x1f;  // the other bits read 0

// LSR
inline constexpr uint8_t kLsrDataReady = 0x01;        // a byte waits in RBR
inline constexpr uint8_t kLsrOverrun = 0x02;          // a byte was lost; cleared by this read
inline constexpr uint8_t kLsrTransmitEmpty = 0x20;    // THRE: THR takes bytes
inline constexpr uint8_t kLsrTransmitterIdle = 0x40;  // TEMT: everything is sent

// MSR: a change in the low half, the inputs in the high half.
inline constexpr uint8_t kMsrDeltaCts = 0x01;
inline constexpr uint8_t kMsrDeltaDsr = 0x02;
inline constexpr uint8_t kMsrTrailingRi = 0x04;  // RI went off
inline constexpr uint8_t kMsrDeltaDcd = 0x08;
inline constexpr uint8_t kMsrDeltas = 0x0f;
inline constexpr uint8_t kMsrCts = 0x10;
inline constexpr uint8_t kMsrDsr = 0x20;
inline constexpr uint8_t kMsrRi = 0x40;
inline constexpr uint8_t kMsrDcd = 0x80;

// After power-on, as crosvm has them (crosvm.md 5.22): 8 data bits, OUT2, 9600 baud, and a peer
// that is always there.
inline constexpr uint8_t kSerialInitialLcr = kLcr8Bits;
inline constexpr uint8_t kSerialInitialMcr = kMcrOut2;
inline constexpr uint16_t kSerialInitialDivisor = 12;
inline constexpr uint8_t kSerialModemInputs = kMsrCts | kMsrDsr | kMsrDcd;

}  // namespace touchstone

#endif  // TOUCHSTONE_DEVICES_PLATFORM_SERIAL_SERIAL_REGISTERS_H_

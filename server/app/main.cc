#include <cstdio>

int main() {
  std::puts("sonde: not wired yet");
  return 2;
}

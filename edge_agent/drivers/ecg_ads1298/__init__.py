"""Eight-channel ECG box on an ADS1298 converter; wire: firmware_configs/devices/ecg_ads1298/protocol.md."""

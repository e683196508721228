package zhibao.bench;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.WriteBufferManager;

/**
 * One bounded memory for all stores, as the documentation shows it, and a Bloom filter: nearly
 * every order that is looked up is new.
 */
public final class Rocks implements RocksDBConfigSetter {
    private static final long MEMORY = 1L << 30;
    private static final long WRITE_MEMORY = 256L << 20;
    private static final Cache CACHE = new LRUCache(MEMORY, -1, false, 0.1);
    private static final WriteBufferManager WRITES = new WriteBufferManager(WRITE_MEMORY, CACHE);
    private static final BloomFilter FILTER = new BloomFilter(10, false);

    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
        BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
        table.setBlockCache(CACHE);
        table.setCacheIndexAndFilterBlocks(true);
        table.setCacheIndexAndFilterBlocksWithHighPriority(true);
        table.setPinTopLevelIndexAndFilter(true);
        table.setFilterPolicy(FILTER);
        table.setBlockSize(16 << 10);
        options.setTableFormatConfig(table);
        options.setWriteBufferManager(WRITES);
        options.setMaxWriteBufferNumber(3);
        options.setWriteBufferSize(32 << 20);
    }

    @Override
    public void close(String store, Options options) {
        // The cache, the filter and the write memory are shared by all stores.
    }
}

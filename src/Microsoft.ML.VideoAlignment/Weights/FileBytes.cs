using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.VideoAlignment.Weights;

/// <summary>A file opened for reading at any offset, on disk or in memory; a short read is an error that names the file.</summary>
internal sealed class FileBytes : IDisposable
{
    private readonly SafeFileHandle? _handle;
    private readonly ReadOnlyMemory<byte> _content;

    public FileBytes(string path)
    {
        Location = path;
        try
        {
            _handle = File.OpenHandle(path);
            Length = RandomAccess.GetLength(_handle);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new WeightFileException(path, "there is no such file.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new WeightFileException(path, $"cannot be opened: {exception.Message}", exception);
        }
    }

    /// <summary>Wraps a file's content in memory.</summary>
    /// <param name="name">The name in messages.</param>
    /// <param name="content">The content.</param>
    public FileBytes(string name, ReadOnlyMemory<byte> content) => (Location, _content, Length) = (name, content, content.Length);

    public string Location { get; }

    public long Length { get; }

    /// <summary>Creates the error for this file.</summary>
    /// <param name="problem">What is wrong, and where in the file.</param>
    /// <param name="inner">The cause; null: none.</param>
    public WeightFileException Fault(string problem, Exception? inner = null) => new(Location, problem, inner);

    /// <summary>Reads bytes; the caller has checked that they are within the file.</summary>
    /// <param name="offset">The first byte, from 0.</param>
    /// <param name="count">The number of bytes.</param>
    public byte[] Read(long offset, int count)
    {
        byte[] bytes = new byte[count];
        using Stream slice = OpenSlice(offset, count);
        slice.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Opens part of the file as a stream. Reading past its end gives the end of the stream; a file that ends earlier is an error.</summary>
    /// <param name="offset">The first byte, from 0.</param>
    /// <param name="length">The number of bytes.</param>
    public Stream OpenSlice(long offset, long length) => new SliceStream(this, offset, length);

    public void Dispose() => _handle?.Dispose();

    private int ReadSome(long offset, Span<byte> buffer)
    {
        try
        {
            int count = _handle is null ? Copy(offset, buffer) : RandomAccess.Read(_handle, buffer, offset);
            return count > 0 || buffer.IsEmpty ? count : throw Fault($"the file ends at byte {Length}; byte {offset} was expected. It is truncated.");
        }
        catch (IOException exception) when (exception is not WeightFileException)
        {
            throw Fault($"cannot be read at byte {offset}: {exception.Message}", exception);
        }
    }

    private int Copy(long offset, Span<byte> buffer)
    {
        int count = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        _content.Span.Slice((int)Math.Min(offset, Length), count).CopyTo(buffer);
        return count;
    }

    private sealed class SliceStream(FileBytes file, long offset, long length) : Stream
    {
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position { get => _position; set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            Span<byte> wanted = buffer[..(int)Math.Min(buffer.Length, length - _position)];
            int count = wanted.IsEmpty ? 0 : file.ReadSome(offset + _position, wanted);
            _position += count;
            return count;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
